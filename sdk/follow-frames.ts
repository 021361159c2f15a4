import type { EventSourceMessage } from "eventsource-parser";
import { z } from "zod";
import { Message } from "#contract/messages.ts";
import { ApiError } from "./api-error.ts";
import { pause, serverEvents } from "./server-events.ts";

type Options = {
  /** Opens the stream; after the event with this id, if there was one. */
  open: (lastEventId: string | undefined) => Promise<Response>;
  signal?: AbortSignal | undefined;
};

/** `missed`: this reader was too slow, and at least so many frames are left out. */
export type FollowedFrame = { kind: "frame"; message: Message } | { kind: "missed"; frames: number };

const Missed = z.object({ frames: z.number() });
const PAUSE_MS = 1_000;

/** A server's frames as they are stored, over as many connections as it takes. Ends when aborted, or when the server refuses. */
export async function* followFrames({ open, signal }: Options): AsyncGenerator<FollowedFrame> {
  let last: string | undefined;
  while (!signal?.aborted) {
    try {
      for await (const event of serverEvents(await open(last))) {
        last = event.id ?? last;
        yield* read(event);
      }
    } catch (error) {
      if (!signal?.aborted && error instanceof ApiError && error.status !== 503) throw error;
    }
    await pause(PAUSE_MS, signal);
  }
}

function* read({ event, data }: EventSourceMessage): Generator<FollowedFrame> {
  const content: unknown = JSON.parse(data);
  if (event === "frame") yield { kind: "frame", message: Message.parse(content) };
  if (event === "missed") yield { kind: "missed", frames: Missed.parse(content).frames };
}
