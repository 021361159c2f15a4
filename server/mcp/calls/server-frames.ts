import type { Page, PageQuery } from "#contract/common.ts";
import type { Message, MessageFilter } from "#contract/messages.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { SseEvent } from "#server/kernel/handle.ts";
import type { Followed, FrameReader } from "#server/kernel/ports.ts";
import { replayFrame, type ReplayDeps, type ReplayFrame } from "./replay-frame.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import { findServer } from "../registration/servers.pg.ts";

type Following = { filter: MessageFilter; after?: string | undefined; signal: AbortSignal };

/** What went to one server and came from it. Each throws `not_found` for a server of another tenant. */
export type FrameUseCases = {
  list(caller: Caller, serverId: string, query: MessageFilter & PageQuery): Promise<Page<Message>>;
  all(caller: Caller, serverId: string, filter: MessageFilter): Promise<AsyncIterable<Message>>;
  follow(caller: Caller, serverId: string, following: Following): Promise<AsyncIterable<SseEvent>>;
  replay: ReplayFrame;
};

export function frameUseCases(deps: ReplayDeps): FrameUseCases {
  const { database, frameReader } = deps;
  const known = async ({ tenantId }: Caller, serverId: string): Promise<string> => {
    if (!(await database.asTenant(tenantId, (tx) => findServer(tx, serverId)))) throw serverNotFound(serverId);
    return serverId;
  };
  return {
    replay: replayFrame(deps),
    list: async (caller, serverId, query) => frameReader.list(caller.tenantId, { ...query, server: await known(caller, serverId) }),
    all: async (caller, serverId, filter) => frameReader.all(caller.tenantId, { ...filter, server: await known(caller, serverId) }),
    follow: async (caller, serverId, { filter, ...following }) => {
      const server = await known(caller, serverId);
      return eventsOf(frameReader.follow(caller.tenantId, { ...following, filter: { ...filter, server } }));
    },
  };
}

function dataOf(one: Followed): object {
  if (one.kind === "begun") return {};
  return one.kind === "frame" ? one.message : { frames: one.frames };
}

async function* eventsOf(followed: ReturnType<FrameReader["follow"]>): AsyncGenerator<SseEvent> {
  for await (const one of followed) {
    yield { id: one.cursor, event: one.kind, data: dataOf(one) };
  }
}
