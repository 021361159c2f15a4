import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { connect, type LookupFunction, type Socket } from "node:net";
import { buildConnector } from "undici";
import { admit, type Address, type Destination, type Lookup } from "./admission.ts";

const CONNECT_TIMEOUT_MS = 10_000;

const guarded = new AsyncLocalStorage<true>();
/** Whether the socket being connected right now was checked here. The test suite fails on sockets that were not. */
export const isGuardedConnect = (): boolean => guarded.getStore() === true;

type Guard = { lookup: Lookup; destination: (host: string, port: number) => Destination };

/**
 * undici's connector behind the guard. Every new socket passes here: first calls, redirects, reconnects of a pool. TLS is
 * always verified, also where the process was started with verification switched off.
 */
export function guardedConnector({ lookup, destination }: Guard): buildConnector.connector {
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = options.port === "" ? (options.protocol === "https:" ? 443 : 80) : Number(options.port);
    const open = async (): Promise<void> => {
      try {
        const addresses = await admit(destination(host, port), lookup);
        const connect = buildConnector({ lookup: pinned(addresses), timeout: CONNECT_TIMEOUT_MS, rejectUnauthorized: true });
        guarded.run(true, () => connect(options, callback));
      } catch (error) {
        callback(error instanceof Error ? error : new Error("The connection could not be opened.", { cause: error }), null);
      }
    };
    void open();
  };
}

/** A socket behind the guard, without a protocol yet. Its errors are heard as its end. */
export async function guardedSocket({ lookup, destination }: Guard, { host, port }: { host: string; port: number }): Promise<Socket> {
  const addresses = await admit(destination(host, port), lookup);
  const socket = guarded.run(true, () => connect({ host, port, lookup: pinned(addresses), allowHalfOpen: true }));
  // Unheard, an error would end the platform.
  socket.on("error", () => {});
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Answers with the checked addresses only, whatever the name server would say now. */
function pinned(addresses: readonly Address[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}
