import { z } from "zod";
import { ApprovalDecision, type Approval } from "#contract/approvals.ts";
import { Json, type Page } from "#contract/common.ts";
import type { Caller } from "../../kernel/caller.ts";
import { AppError } from "../../kernel/errors.ts";
import { decodeCursor, toPage, UUID } from "../../kernel/paging.ts";
import type { ValueCodec } from "../../kernel/ports.ts";
import type { UseCaseDeps } from "../deps.ts";
import { approvalRowName } from "../driver/row-names.ts";
import { findApproval, selectApprovals, type ApprovalFilter, type ApprovalRecord } from "../store/approvals.pg.ts";

type Deps = Pick<UseCaseDeps, "database" | "codec">;

export const ApprovalBody = z.object({ message: z.string().nullable(), arguments: Json, decisions: z.array(ApprovalDecision) });
export type ApprovalBody = z.infer<typeof ApprovalBody>;

export const approvalNotFound = (id: string): AppError => new AppError("not_found", `There is no approval ${id}.`);

export const getApproval =
  ({ database, codec }: Deps) =>
  async (caller: Caller, id: string): Promise<Approval> => {
    await codec.prepare(caller.tenantId);
    const record = await database.asTenant(caller.tenantId, (tx) => findApproval(tx, id));
    if (!record) throw approvalNotFound(id);
    return shown(record, bodyOf(codec, record), caller);
  };

type ListRequest = Omit<ApprovalFilter, "before"> & { cursor?: string | undefined };

export const listApprovals =
  ({ database, codec }: Deps) =>
  async (caller: Caller, { cursor, limit, ...filter }: ListRequest): Promise<Page<Approval>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    await codec.prepare(caller.tenantId);
    const records = await database.asTenant(caller.tenantId, (tx) => selectApprovals(tx, { ...filter, before, limit: limit + 1 }));
    return toPage(records, { limit, map: (record) => shown(record, bodyOf(codec, record), caller), key: ({ id }) => [id] });
  };

export const bodyOf = (codec: ValueCodec, { id, tenantId, body }: ApprovalRecord): ApprovalBody =>
  ApprovalBody.parse(codec.decode(body, { tenantId, row: approvalRowName(id) }));

/** Named by role or by name. */
export const isApprover = ({ role, ref }: Caller, approvers: readonly string[]): boolean =>
  approvers.includes(ref) || (role !== null && approvers.includes(`role:${role}`));

export function shown(record: ApprovalRecord, body: ApprovalBody, caller: Caller): Approval {
  const { id, runId, workflowId, workflowName, scope, nodeId, status, approvers, needed, deadline, isExpired, requestedAt, closedAt } =
    record;
  const hasDecided = body.decisions.some(({ by }) => by === caller.ref);
  return {
    id,
    runId,
    workflowId,
    workflowName,
    scope,
    nodeId,
    status,
    ...body,
    approvers,
    needed,
    deadline: deadline?.toISOString() ?? null,
    requestedAt: requestedAt.toISOString(),
    closedAt: closedAt?.toISOString() ?? null,
    mayDecide: status === "pending" && !isExpired && !hasDecided && isApprover(caller, approvers),
  };
}
