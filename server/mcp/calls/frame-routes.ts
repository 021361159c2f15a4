import { exportServerFrames, listServerFrames, replayFrame, streamServerFrames } from "#contract/mcp/frames.ts";
import { EventStream, LineStream, handle, type Handled } from "#server/kernel/handle.ts";
import type { FrameUseCases } from "./server-frames.ts";

export const frameRoutes = (frames: FrameUseCases): Handled[] => [
  handle(listServerFrames, ({ caller, params, query }) => frames.list(caller, params.id, query)),
  handle(exportServerFrames, async ({ caller, params, query }) => new LineStream(await frames.all(caller, params.id, query))),
  handle(streamServerFrames, async ({ caller, params, query: filter, headers, signal }) => {
    const after = headers["last-event-id"];
    return new EventStream(await frames.follow(caller, params.id, { filter, after, signal }));
  }),
  handle(replayFrame, ({ caller, params, body, signal }) =>
    frames.replay(caller, params.id, { timeoutMs: body?.timeoutMs ?? 30_000, signal }),
  ),
];
