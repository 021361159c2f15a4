import { setImmediate as nextTurn } from "node:timers/promises";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { notificationGate } from "./notification-gate.ts";

/** A piece of this size is one of a stream that comes as fast as it is read; everybody else has a turn before the next. */
const ONE_OF_MANY_BYTES = 16_384;

/**
 * A stream of events without the floods in it: what the gate of a pipe leaves out is left out here too, before anybody parses
 * it as a message. Comments are left out as well.
 */
export function eventGate(onDropped: (count: number) => void): TransformStream<Uint8Array, Uint8Array> {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let out: TransformStreamDefaultController<Uint8Array> | undefined;
  const send = (text: string): void => out?.enqueue(encoder.encode(text));
  const gate = notificationGate({ pass: send, onDropped });
  const parser = createParser({ onEvent: (event) => gate.take(textOf(event)), onRetry: (ms) => send(`retry: ${ms}\n\n`) });
  return new TransformStream({
    start: (controller) => void (out = controller),
    async transform(chunk) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (chunk.byteLength >= ONE_OF_MANY_BYTES) await nextTurn();
    },
    flush() {
      gate.end();
      out = undefined;
    },
    cancel: () => void (out = undefined),
  });
}

function textOf({ id, event, data }: EventSourceMessage): string {
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  return `${event === undefined ? "" : `event: ${event}\n`}${id === undefined ? "" : `id: ${id}\n`}${lines.join("")}\n`;
}
