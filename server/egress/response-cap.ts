import { EgressDenied } from "./denied.ts";

/** Of one answer, on the wire and after decompression alike. An event stream that gets there ends; its client reconnects. */
export const RESPONSE_BYTES = 64 * 1024 * 1024;

/** Ends a compressed answer that unpacks to too much. Uncompressed ones pass as they are: the dispatcher counts those. */
export function capInflated(response: Response, maxBytes: number = RESPONSE_BYTES): Response {
  if (response.body === null || !response.headers.has("content-encoding")) return response;
  let seen = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      seen += chunk.byteLength;
      if (seen <= maxBytes) controller.enqueue(chunk);
      else
        controller.error(
          new EgressDenied(`The answer unpacks to more than ${maxBytes} bytes.`, {
            reason: "answer_too_large",
            at: URL.parse(response.url)?.host ?? "unknown",
          }),
        );
    },
  });
  const { status, statusText, headers, url } = response;
  const capped = new Response(response.body.pipeThrough(counter), { status, statusText, headers });
  Object.defineProperty(capped, "url", { value: url });
  return capped;
}
