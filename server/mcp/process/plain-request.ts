import type { IncomingMessage } from "node:http";
import { Transform, type Duplex } from "node:stream";

/** Of the connection to the proxy, not of the request. */
const HOP_BY_HOP = new Set(
  "connection proxy-connection proxy-authorization keep-alive te trailer transfer-encoding upgrade expect host".split(" "),
);

/** Says to the server what the client has said to the proxy, its body as it comes. The connection ends with the answer. */
export function passOn(request: IncomingMessage, url: URL, upstream: Duplex): void {
  const named = (request.headers.connection ?? "").toLowerCase().split(/\s*,\s*/);
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  const headers = pairs(request.rawHeaders).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.includes(name.toLowerCase()));
  const head = [
    `${request.method ?? "GET"} ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(isChunked ? ["Transfer-Encoding: chunked"] : []),
    "Connection: close",
  ];
  upstream.write(`${head.join("\r\n")}\r\n\r\n`, "latin1");
  const body = isChunked ? request.pipe(chunks()) : request;
  body.pipe(upstream, { end: false });
}

function pairs(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""]] : []));
}

/** A body whose length nobody knows. */
const chunks = (): Transform =>
  new Transform({
    transform: (chunk: Buffer, _encoding, done) =>
      done(null, Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")])),
    flush: (done) => done(null, "0\r\n\r\n"),
  });
