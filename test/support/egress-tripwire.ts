import { Socket } from "node:net";
import { isGuardedConnect } from "#server/egress/index.ts";

type SocketTarget = { host: string; port: number };
type Allowed = readonly SocketTarget[] | ((target: SocketTarget) => boolean);

/**
 * Watches every socket that this process opens. `restore` ends that and answers with the targets that did not come from the
 * egress guard and are not among `fixed`: the database and other addresses that come from the configuration, and what the
 * test itself calls. Sockets without an address (pipes, Unix sockets) are not counted.
 */
export function egressTripwire(fixed: Allowed = []): { restore(): string[] } {
  const isFixed =
    typeof fixed === "function" ? fixed : (target: SocketTarget) => fixed.some((f) => f.host === target.host && f.port === target.port);
  const unguarded: string[] = [];
  const original = Socket.prototype.connect;
  const watch = (args: readonly unknown[]): void => {
    const target = targetOf(args);
    if (target && !isGuardedConnect() && !isFixed(target)) unguarded.push(`${target.host}:${target.port}`);
  };
  Reflect.set(Socket.prototype, "connect", function connect(this: Socket, ...args: unknown[]): unknown {
    watch(args);
    return Reflect.apply(original, this, args);
  });
  return {
    restore: () => {
      Socket.prototype.connect = original;
      return unguarded;
    },
  };
}

/** `connect(options)`, `connect(port, host)`, and the form in which Node calls it itself: one array of both. */
function targetOf(args: readonly unknown[]): SocketTarget | undefined {
  const first: unknown = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof first === "number") return { host: typeof args[1] === "string" ? args[1] : "localhost", port: first };
  if (typeof first !== "object" || first === null || !("port" in first)) return undefined;
  return { host: "host" in first ? String(first.host) : "localhost", port: Number(first.port) };
}
