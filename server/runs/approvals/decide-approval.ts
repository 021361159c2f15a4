import type { Approval } from "#contract/approvals.ts";
import type { Json } from "#contract/common.ts";
import type { Caller } from "../../kernel/caller.ts";
import { AppError } from "../../kernel/errors.ts";
import type { Tx } from "../../kernel/ports.ts";
import { approvalRowName } from "../driver/row-names.ts";
import type { Message } from "../messages.ts";
import { mustFind, speak, type SpeakDeps } from "../send-message.ts";
import { findApproval, updateApproval, type ApprovalRecord } from "../store/approvals.pg.ts";
import { approvalNotFound, bodyOf, isApprover, shown, type ApprovalBody } from "./show-approvals.ts";

type Deps = SpeakDeps & { now: () => Date };
export type Decision = {
  id: string;
  decision: "approve" | "reject";
  comment?: string | undefined;
  arguments?: Json | undefined;
};

/**
 * Records a decision and sends it to the run, which counts it if it comes in time: before the deadline, before enough others, and
 * before a cancel. Throws `approval_closed` when it plainly comes too late, or when the caller has decided before.
 */
export const decideApproval =
  (deps: Deps) =>
  async (caller: Caller, { id, decision, comment, arguments: edited }: Decision): Promise<Approval> => {
    if (decision === "reject" && edited !== undefined)
      throw new AppError("request_invalid", "Expected arguments only with `approve`: what is rejected is not edited.");
    return change(deps, { caller, id }, async (tx, { record, body }) => {
      const said = { comment: comment === undefined ? undefined : deps.redactor.text(comment), args: edited && deps.redactor.json(edited) };
      if (body.decisions.some(({ by }) => by === caller.ref)) throw new AppError("approval_closed", "You have decided about this already.");
      const { scope, nodeId } = record;
      const message: Message<"decision"> = { by: caller.ref, scope, nodeId, decision, comment: said.comment, arguments: said.args };
      await send(deps, tx, { record, kind: "decision", body: message });
      const details = { runId: record.runId, nodeId, decision, isEdited: edited !== undefined };
      await audit(deps, tx, { caller, id, action: "approval.decided", details });
      return { body: decided(body, { by: caller.ref, decision, ...said, at: deps.now().toISOString() }), approvers: record.approvers };
    });
  };

/** Lets somebody else decide too. */
export const delegateApproval =
  (deps: Deps) =>
  async (caller: Caller, { id, to }: { id: string; to: string }): Promise<Approval> =>
    change(deps, { caller, id }, async (tx, { record, body }) => {
      const { scope, nodeId, approvers } = record;
      if (approvers.includes(to)) return { body, approvers };
      await send(deps, tx, { record, kind: "delegation", body: { by: caller.ref, scope, nodeId, to } });
      await audit(deps, tx, { caller, id, action: "approval.delegated", details: { runId: record.runId, nodeId, to } });
      return { body, approvers: [...approvers, to] };
    });

type Stored = { record: ApprovalRecord; body: ApprovalBody };
type Asked = { caller: Caller; id: string };
type Changed = { body: ApprovalBody; approvers: string[] };

/** Under the row's lock, so that two decisions at once come one after the other. */
async function change(deps: Deps, { caller, id }: Asked, apply: (tx: Tx, stored: Stored) => Promise<Changed>): Promise<Approval> {
  const { database, codec } = deps;
  await codec.prepare(caller.tenantId);
  const { record, body } = await database.asTenant(caller.tenantId, async (tx) => {
    const found = await findApproval(tx, id, "lock");
    if (!found) throw approvalNotFound(id);
    check(found, caller);
    const changed = await apply(tx, { record: found, body: bodyOf(codec, found) });
    const at = { tenantId: found.tenantId, row: approvalRowName(id), confidential: found.isConfidential };
    await updateApproval(tx, { id, body: codec.encode(changed.body, at), approvers: changed.approvers });
    return { record: { ...found, approvers: changed.approvers }, body: changed.body };
  });
  deps.wake(record.runId);
  return shown(record, body, caller);
}

function check({ id, status, isExpired, approvers }: ApprovalRecord, caller: Caller): void {
  if (status !== "pending") throw new AppError("approval_closed", `Approval ${id} is ${status}.`);
  if (isExpired) throw new AppError("approval_closed", `The deadline of approval ${id} has passed.`);
  if (!isApprover(caller, approvers))
    throw new AppError(
      "approval_not_yours",
      `Expected one of ${approvers.join(", ")}; you are ${caller.ref}, role ${caller.role ?? "none"}.`,
    );
}

type Spoken = { record: ApprovalRecord } & (
  | { kind: "decision"; body: Message<"decision"> }
  | { kind: "delegation"; body: Message<"delegation"> }
);
async function send(deps: Deps, tx: Tx, { record, kind, body }: Spoken): Promise<void> {
  const run = await mustFind(tx, record.runId);
  const isSent =
    kind === "decision" ? await speak(deps, tx, { record: run, kind, body }) : await speak(deps, tx, { record: run, kind, body });
  if (!isSent) throw new AppError("approval_closed", `Run ${run.id} is over.`);
}

type Audited = { caller: Caller; id: string; action: string; details: Record<string, Json> };
const audit = (deps: Deps, tx: Tx, { caller, id, action, details }: Audited): Promise<void> =>
  deps.audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action, target: `approval:${id}`, details });

type Decided = { by: string; decision: "approve" | "reject"; comment: string | undefined; args: Json | undefined; at: string };

/** The same rule as the engine's: who edits what is approved begins the count anew. */
function decided(body: ApprovalBody, { by, decision, comment, args, at }: Decided): ApprovalBody {
  const entry = { by, decision, at, ...(comment !== undefined && { comment }) };
  if (args === undefined) return { ...body, decisions: [...body.decisions, entry] };
  return { ...body, arguments: args, decisions: [entry] };
}
