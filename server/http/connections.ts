import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Lets a server's close come to an end. Node then ends connections that wait for their next request, but not those that
 * have never sent one, as browsers open them in advance; and it no longer times out requests that arrive slowly. The
 * function returned ends the former at once and, after `graceMs`, whatever is still open.
 */
export function endableConnections(server: Server): (graceMs: number) => NodeJS.Timeout {
  const silent = new Set<Socket>();
  const speaks = ({ socket }: IncomingMessage): void => void silent.delete(socket);
  server.on("connection", (socket) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
  });
  server.on("request", speaks);
  server.on("upgrade", speaks);
  return (graceMs) => {
    server.on("connection", (socket) => socket.destroy());
    for (const socket of silent) socket.destroy();
    return setTimeout(() => server.closeAllConnections(), graceMs);
  };
}
