import { randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";

/**
 * A client that does nothing but start runs: `node start-load.ts <url> <token> <workflow id> <connections> <seconds>`. Each
 * connection sends its next start when the last one is answered. HTTP is written and read by hand, since every microsecond that
 * the client spends is taken from the server beside it.
 */
const [address = "", token = "", workflowId = "", connections = "1", seconds = "1"] = process.argv.slice(2);
const { hostname, port, host } = new URL(address);
const WARM_UP_MS = 1_000;

let accepted = 0;
let isOver = false;

function start(socket: Socket, n: number): void {
  const body = JSON.stringify({ input: { value: n } });
  socket.write(
    `POST /api/v1/workflows/${workflowId}/runs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nIdempotency-Key: ${randomUUID()}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Resolves when the time is over and the last start is answered. */
function client(n: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), hostname, () => start(socket, n));
    socket.setNoDelay(true);
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (data) => {
      text += data.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      if (head < 0 || text.length < head + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 202")) {
        socket.destroy(new Error(`A start was refused: ${text}`));
        return;
      }
      text = "";
      accepted += 1;
      if (isOver) socket.end();
      else start(socket, n);
    });
  });
}

const clients = Promise.all(Array.from({ length: Number(connections) }, (_, n) => client(n)));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const measured = async (): Promise<number> => {
  await sleep(WARM_UP_MS);
  const before = accepted;
  const began = performance.now();
  await sleep(Number(seconds) * 1_000);
  const perSecond = (accepted - before) / ((performance.now() - began) / 1_000);
  isOver = true;
  return perSecond;
};
const [startsPerSecond] = await Promise.all([measured(), clients]);
process.stdout.write(JSON.stringify({ startsPerSecond }));
