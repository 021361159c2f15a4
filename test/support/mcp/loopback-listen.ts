/**
 * Loaded before a server of somebody else that would listen on every address: it listens on loopback only, and says on
 * stderr which port it got.
 */
import { Server, type AddressInfo } from "node:net";

const listen = Server.prototype.listen;

function listenOnLoopback(this: Server, port: unknown, done?: () => void): Server {
  this.once("listening", () => process.stderr.write(`listening on port ${(this.address() as AddressInfo).port}\n`));
  return listen.call(this, { port: Number(port), host: "127.0.0.1" } as never, done as never);
}

Server.prototype.listen = listenOnLoopback as typeof listen;
