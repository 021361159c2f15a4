import { AppError } from "#server/kernel/errors.ts";

type Bounds = { maxBytes: number; who: string; headers?: (headers: Headers) => Headers };

/**
 * A `fetch` whose answers end with `agent_protocol_error` after `maxBytes`, so that no agent can fill this process's memory.
 * `headers` makes the headers of each request out of those that the caller would send.
 */
export function boundedFetch(fetch: typeof globalThis.fetch, { maxBytes, who, headers }: Bounds): typeof globalThis.fetch {
  return async (input, init) => {
    const asked = new Headers(init?.headers);
    const response = await fetch(input, { ...init, headers: headers?.(asked) ?? asked });
    if (!response.body) return response;
    let received = 0;
    const counted = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          received += chunk.byteLength;
          if (received <= maxBytes) return controller.enqueue(chunk);
          return controller.error(new AppError("agent_protocol_error", `${who} answered with more than ${maxBytes} bytes.`));
        },
      }),
    );
    return new Response(counted, { status: response.status, statusText: response.statusText, headers: response.headers });
  };
}

/** The first `AppError` among an error and its causes: what our own fetch threw, however a library has wrapped it. */
export function appErrorWithin(thrown: unknown): AppError | undefined {
  let error = thrown;
  for (let depth = 0; depth < 8 && error instanceof Error; depth++) {
    if (error instanceof AppError) return error;
    error = error.cause;
  }
  return undefined;
}

/** Why a socket could not be used, from the system's own code, for people. */
export function networkReason(thrown: unknown): string {
  let error = thrown;
  let reason = "the connection failed";
  for (let depth = 0; depth < 8 && error instanceof Error; depth++) {
    if ("code" in error && typeof error.code === "string") return `${error.code}${error.message ? ` (${error.message})` : ""}`;
    reason = error.message || reason;
    error = error.cause;
  }
  return reason;
}
