import { ApprovalStatus } from "#contract/approvals.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { notice, printDocument, printList, type Format } from "../output.ts";

export const APPROVAL_STATUSES = ApprovalStatus.options;

export async function listApprovals(client: Client, { status, output }: { status: ApprovalStatus; output: Format }): Promise<void> {
  const { items } = await client.listApprovals({ query: { status, limit: 200 } });
  printList(items, output, [
    ["ID", (approval) => approval.id],
    ["STATUS", (approval) => approval.status],
    ["WORKFLOW", (approval) => approval.workflowName],
    ["STEP", (approval) => approval.nodeId],
    ["DECIDED", (approval) => `${approval.decisions.length} of ${approval.needed}`],
    ["APPROVERS", (approval) => approval.approvers.join(", ")],
    ["ASKED", (approval) => approval.message ?? ""],
  ]);
}

export async function showApproval(client: Client, id: string, output: Format): Promise<void> {
  printDocument(await client.getApproval({ params: { id } }), output === "table" ? "yaml" : output);
}

type Said = { comment?: string; arguments?: string[] };

export async function decideApproval(
  client: Client,
  id: string,
  { decision, ...said }: Said & { decision: "approve" | "reject" },
): Promise<void> {
  const edited = said.arguments && { arguments: readInput(said.arguments) };
  const comment = said.comment === undefined ? undefined : { comment: said.comment };
  const { status, decisions, needed } = await client.decideApproval({ params: { id }, body: { decision, ...comment, ...edited } });
  notice(`${id}: ${decisions.length} of ${needed} decided, ${status}.`);
}

export async function delegateApproval(client: Client, id: string, to: string): Promise<void> {
  const { approvers } = await client.delegateApproval({ params: { id }, body: { to } });
  notice(`${id} can be decided by ${approvers.join(", ")}.`);
}
