import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Connection } from "../connection/connection.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Exposure } from "./exposure.ts";
import type { Find } from "./find.ts";

type Watch = { server: SupervisedServer; own: string; connection: Connection | undefined; stop: (() => Promise<void>) | undefined };

/** The resources that one client wants to hear of. */
export type Subscriptions = {
  /** Throws `not_found`, `mcp_uri_refused`, `rate_limited`, or what the server says. */
  add(uri: string): Promise<void>;
  remove(uri: string): Promise<void>;
  /** Subscribes again where a server has come back. */
  look(): Promise<void>;
  close(): Promise<void>;
};

const WATCH_MS = 10_000;

export function createSubscriptions(
  { exposure, find }: { exposure: Exposure; find: Find },
  onUpdated: (uri: string) => void,
): Subscriptions {
  const watches = new Map<string, Watch>();
  let isClosed = false;
  const begin = async (uri: string, watch: Watch): Promise<void> => {
    const { server, own } = watch;
    const connection = server.connection ?? (await server.whenReady(AbortSignal.timeout(WATCH_MS)));
    const watcher = {
      onUpdated: (updated: string) => onUpdated(exposure.uri(server, updated)),
      onEnded: () => void (watch.connection = undefined),
    };
    watch.connection = connection;
    const stop = await connection.watchResource(own, watcher, { timeoutMs: WATCH_MS });
    // Whoever wanted to hear of it may have gone meanwhile.
    if (watches.get(uri) === watch) watch.stop = stop;
    else await stop().catch(() => {});
  };
  const end = async (watch: Watch): Promise<void> => watch.stop?.().catch(() => {});
  return {
    async add(uri) {
      if (watches.has(uri)) return;
      const found = await find.resource(uri, AbortSignal.timeout(WATCH_MS));
      if (isClosed || watches.has(uri)) return;
      if (watches.size >= LIMITS.mcpSubscriptions)
        throw new AppError("rate_limited", `At most ${LIMITS.mcpSubscriptions} resources may be subscribed to at once.`);
      const watch: Watch = { ...found, connection: undefined, stop: undefined };
      watches.set(uri, watch);
      await begin(uri, watch).catch((thrown: unknown) => {
        if (watches.get(uri) === watch) watches.delete(uri);
        throw thrown;
      });
    },
    async remove(uri) {
      const watch = watches.get(uri);
      watches.delete(uri);
      if (watch) await end(watch);
    },
    async look() {
      const lost = [...watches].filter(([, { server, connection }]) => server.connection !== undefined && server.connection !== connection);
      // What does not work now is tried again at the next look.
      await Promise.all(lost.map(([uri, watch]) => begin(uri, watch).catch(() => void (watch.connection = undefined))));
    },
    async close() {
      isClosed = true;
      const all = [...watches.values()];
      watches.clear();
      await Promise.all(all.map(end));
    },
  };
}
