import type { Json } from "#contract/common.ts";
import type { Message } from "#contract/messages.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, AuditRecord, Database, FrameReader, Redactor } from "#server/kernel/ports.ts";
import { isRecord } from "../connection/json-value.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { REPLAYABLE, type ReplayPorts } from "./replayable.ts";

export type ReplayDeps = ReplayPorts & {
  database: Database;
  audit: Audit;
  frameReader: FrameReader;
  redactor: Redactor;
  supervisor: Supervisor;
  newId: () => string;
};

type Replayed = { request: Message; before: Message | null; now: { result: Json; latencyMs: number } };
type Waiting = { timeoutMs: number; signal: AbortSignal };
export type ReplayFrame = (caller: Caller, id: string, waiting: Waiting) => Promise<Replayed>;

/**
 * Sends a recorded request again: to the server that is registered now, under the rules of now, by whoever may do the same without
 * a frame. A call has a new idempotency key, and its tool must be approved as it is now.
 */
export function replayFrame(deps: ReplayDeps): ReplayFrame {
  const { database, audit, frameReader, redactor, supervisor, newId } = deps;
  const record = (entry: AuditRecord): Promise<void> => database.asTenant(entry.tenantId, (tx) => audit.record(tx, entry));
  return async (caller, id, { timeoutMs, signal }) => {
    const found = await frameReader.exchange(caller.tenantId, id);
    if (found === undefined) throw new AppError("not_found", `There is no frame ${id}.`);
    const { frame: request, others } = found;
    const { serverId, method, permission, about, send } = requestOf(request);
    const entry = { tenantId: caller.tenantId, actor: caller.ref, action: "mcp_frame.replayed", target: `frame:${id}` };
    if (!caller.permissions.has(permission)) {
      await record({ ...entry, outcome: "deny", reason: permission });
      throw new AppError("permission_denied", `To send ${method} again needs the permission ${permission}.`);
    }
    const server = await supervisor.get(caller.tenantId, serverId);
    const key = newId();
    await record({ ...entry, details: { serverId, method, key, ...about } });
    const began = performance.now();
    const result = await send(deps, { caller, server, key, timeoutMs, signal });
    const before = others.find(({ kind, direction }) => direction === "in" && (kind === "response" || kind === "error")) ?? null;
    return { request, before, now: { result: redactor.json(result), latencyMs: performance.now() - began } };
  };
}

/** The request that a frame holds. Throws `frame_not_replayable` with what is missing. */
function requestOf(frame: Message) {
  const { serverId, direction, kind, method } = frame;
  if (frame.protocol !== "mcp" || serverId === null) throw refused("it is no frame of a registered MCP server");
  if (direction !== "out" || kind !== "request")
    throw refused(`it is no request of ours but a ${kind} that ${direction === "in" ? "came" : "went"}`, { remedy: WHAT_CAN });
  const replayable = REPLAYABLE.get(method);
  if (replayable === undefined) throw refused(`no ${method} is`, { remedy: WHAT_CAN });
  if (frame.truncated) throw refused("it was too long to be recorded whole");
  if (frame.redacted) throw refused("secrets were inside, and those are not recorded");
  const prepared = replayable.prepare(isRecord(frame.content) ? frame.content["params"] : undefined);
  if (prepared === undefined) throw refused(`it does not say what ${method} needs`);
  return { serverId, method, permission: replayable.permission, ...prepared };
}

const WHAT_CAN = `These requests of the platform can be sent again: ${[...REPLAYABLE.keys()].join(", ")}.`;

const refused = (why: string, options?: { remedy: string }): AppError =>
  new AppError("frame_not_replayable", `The frame cannot be sent again: ${why}.`, options);
