import { LIMITS } from "#contract/limits.ts";
import { createBell } from "#server/kernel/bell.ts";
import type { SseEvent } from "#server/kernel/handle.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Connection } from "../connection/connection.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { request } from "./request.ts";
import type { ServerLists } from "./server-lists.ts";
import { resolveUri } from "./resolve-uri.ts";
import type { At } from "./use-offers.ts";

type Deps = { supervisor: Supervisor; lists: ServerLists; firstListMs: number };
type Watch = { unwatch: () => Promise<void>; isOver: () => boolean };

const SUBSCRIBE_MS = 10_000;
/** Before a server that has ended a subscription is asked for another one. */
const AGAIN_MS = 1_000;
const LOOK_MS = 60_000;
const MOST_UPDATES = 1_000;

/** Tells of every change of one resource, across restarts of its server. Rejects when it cannot be watched at all. */
export const watchResource =
  ({ supervisor, lists, firstListMs }: Deps) =>
  async ({ caller, id, signal }: At, wanted: string): Promise<AsyncIterable<SseEvent>> => {
    const server = await supervisor.get(caller.tenantId, id);
    const uri = await resolveUri(server, lists, { uri: wanted, timeoutMs: SUBSCRIBE_MS, signal });
    const bell = createBell(signal);
    const updates = new Set<string>();
    const begin = async (): Promise<Watch> => {
      const connection = await server.whenReady(AbortSignal.any([signal, AbortSignal.timeout(firstListMs)]));
      // Of very many parts that nobody has read of yet, the whole says as much.
      return subscribe(server, connection, { uri, bell, onUpdated: (updated) => updates.add(updates.size < MOST_UPDATES ? updated : uri) });
    };
    const first = await begin();
    // Whoever goes at once never asks for an event, and so never ends the stream of them.
    const leave = (): void => void first.unwatch();
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    return events({ first, begin, bell, updates, uri, signal });
  };

type Subscription = { uri: string; bell: { ring: () => void }; onUpdated: (uri: string) => void };

async function subscribe(server: SupervisedServer, connection: Connection, { uri, bell, onUpdated }: Subscription): Promise<Watch> {
  if (connection.capabilities.resources?.subscribe !== true)
    throw new AppError("mcp_unsupported", "The server does not tell of changes of its resources.");
  let isOver = false;
  const end = (): void => {
    isOver = true;
    bell.ring();
  };
  const told = (updated: string): void => {
    // A server may tell of parts of what is watched, but not of without end.
    onUpdated(updated.slice(0, LIMITS.mcpUriChars));
    bell.ring();
  };
  const unwatch = await request(server, connection, () =>
    connection.watchResource(uri, { onUpdated: told, onEnded: end }, { timeoutMs: SUBSCRIBE_MS }),
  );
  return { unwatch, isOver: () => isOver };
}

type Stream = {
  first: Watch;
  begin: () => Promise<Watch>;
  bell: ReturnType<typeof createBell>;
  updates: Set<string>;
  uri: string;
  signal: AbortSignal;
};

function taken(updates: Set<string>): string[] {
  const all = [...updates];
  updates.clear();
  return all;
}

async function* events({ first, begin, bell, updates, uri, signal }: Stream): AsyncGenerator<SseEvent> {
  let watch: Watch | undefined = first;
  try {
    while (!signal.aborted) {
      // Many updates that nobody has read yet say no more than one.
      for (const updated of taken(updates)) yield { event: "updated", data: { uri: updated } };
      if (watch?.isOver() === false) {
        await bell.rung(LOOK_MS);
        continue;
      }
      await bell.rung(AGAIN_MS);
      watch = await begin().catch(() => undefined);
      if (watch !== undefined) yield { event: "resync", data: { uri } };
    }
  } finally {
    await watch?.unwatch();
  }
}
