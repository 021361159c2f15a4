import { once } from "node:events";
import { createServer } from "node:net";

/** A listener that nobody should ever reach: what it accepts is counted, and answered with an HTTP page. */
export type Canary = { readonly port: number; accepted(): number; close(): Promise<void> };

/** Listens on both loopback addresses, where the system has both. */
export async function canary(): Promise<Canary> {
  let accepted = 0;
  const listener = createServer((socket) => {
    accepted += 1;
    socket.on("error", () => {});
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const sixth = createServer((socket) => {
    accepted += 1;
    socket.on("error", () => {});
    socket.destroy();
  });
  const hasSixth = await new Promise<boolean>((resolve) => {
    sixth.once("error", () => resolve(false));
    sixth.listen(port, "::1", () => resolve(true));
  });
  const close = (server: typeof listener): Promise<unknown> => new Promise((done) => server.close(done));
  return {
    port,
    accepted: () => accepted,
    close: async () => {
      await close(listener);
      if (hasSixth) await close(sixth);
    },
  };
}
