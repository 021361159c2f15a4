import { request as open } from "node:http";

export type RawRequest = {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Sends the body in pieces of this many bytes, without announcing its length. */
  chunkBytes?: number;
};
export type RawAnswer = { status: number; headers: NodeJS.Dict<string | string[]>; body: string };

/** Sends exactly these bytes and headers, and takes the answer even when it comes before the whole body has left. */
export function rawRequest(url: string, { method = "GET", path, headers = {}, body, chunkBytes }: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const length = body === undefined || chunkBytes !== undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const request = open({ hostname, port, method, path, agent: false, headers: { ...length, ...headers } });
    let isAnswered = false;
    request.on("response", (response) => {
      isAnswered = true;
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject).on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    // The server hangs up on a body that it does not want to read to its end.
    request.on("error", (error) => isAnswered || setTimeout(() => isAnswered || reject(error), 200));
    for (const piece of piecesOf(body, chunkBytes)) request.write(piece);
    request.end();
  });
}

function* piecesOf(body: string | Buffer | undefined, chunkBytes: number | undefined): Generator<Buffer> {
  const bytes = Buffer.from(body ?? "");
  const step = chunkBytes ?? Math.max(1, bytes.length);
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}
