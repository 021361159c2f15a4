import { ArrayColumn } from "../../kernel/array-column.ts";
import type { Append } from "./append.ts";

/** Parameters of the statement that keeps the list of approvals in step with the journal. */
export function approvalColumns(appends: readonly Append[]): Buffer[] {
  return [...askedColumns(appends), ...changedColumns(appends)];
}

function askedColumns(appends: readonly Append[]): Buffer[] {
  const uuids = { id: new ArrayColumn("uuid"), tenantId: new ArrayColumn("uuid"), runId: new ArrayColumn("uuid") };
  const place = { scope: new ArrayColumn("text"), nodeId: new ArrayColumn("text") };
  const approvers = new ArrayColumn("text");
  const needed = new ArrayColumn("int4");
  const deadline = new ArrayColumn("text");
  const body = new ArrayColumn("bytea");
  for (const { holder, approvals } of appends) {
    for (const asked of approvals?.asked ?? []) {
      uuids.id.uuid(asked.id);
      uuids.tenantId.bytes(holder.tenantBytes);
      uuids.runId.bytes(holder.idBytes);
      place.scope.text(asked.scope);
      place.nodeId.text(asked.nodeId);
      approvers.text(JSON.stringify(asked.approvers));
      needed.int4(asked.needed);
      deadline.text(asked.deadline === null ? null : String(asked.deadline));
      body.bytes(asked.body);
    }
  }
  const columns = [uuids.id, uuids.tenantId, uuids.runId, place.scope, place.nodeId, approvers, needed, deadline, body];
  return columns.map((column) => column.toBuffer());
}

function changedColumns(appends: readonly Append[]): Buffer[] {
  const runId = new ArrayColumn("uuid");
  const scope = new ArrayColumn("text");
  const nodeId = new ArrayColumn("text");
  const status = new ArrayColumn("text");
  const approvers = new ArrayColumn("text");
  for (const { holder, approvals } of appends) {
    for (const changed of approvals?.changed ?? []) {
      runId.bytes(holder.idBytes);
      scope.text(changed.scope);
      nodeId.text(changed.nodeId);
      status.text(changed.status);
      approvers.text(changed.approvers && JSON.stringify(changed.approvers));
    }
  }
  return [runId, scope, nodeId, status, approvers].map((column) => column.toBuffer());
}
