import { createParser } from "eventsource-parser";

/** The data of a stream's events, in order; ends with the stream, and ends the stream when it is left. */
export async function* eventData(response: Response): AsyncGenerator {
  if (!response.body) return;
  const arrived: unknown[] = [];
  const parser = createParser({ onEvent: ({ data }) => void arrived.push(JSON.parse(data)) });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parser.feed(decoder.decode(part.value, { stream: true }));
      yield* arrived.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
