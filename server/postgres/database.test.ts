import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { createDatabase, openPool } from "./database.ts";

const server = createServer();
afterEach(() => {
  server.close();
});

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}
const AUTHENTICATED = message("R", Buffer.alloc(4));
const READY = message("Z", Buffer.from("I"));
const SHUTTING_DOWN = message("E", Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"));

test("a server that ends a connection in the breath in which it opens it costs the request, not the process", async () => {
  server.on("connection", (socket: Socket) => {
    socket.once("data", () => socket.end(Buffer.concat([AUTHENTICATED, READY, SHUTTING_DOWN])));
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address: AddressInfo | string | null = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const pool = openPool(`postgresql://user:password@127.0.0.1:${port}/x`, 1, silentLog);
  const database = createDatabase({ api: pool, worker: pool });
  await expect(database.asWorker((tx) => tx.query("select 1"))).rejects.toMatchObject({ code: "database_unavailable" });
  await pool.end();
});
