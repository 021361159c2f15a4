import { copyJson } from "#contract/parse-json.ts";
import type { Command } from "#engine/index.ts";
import type { RunEnd } from "../journal/append.ts";
import type { DriverContext } from "./context.ts";
import type { LiveRun } from "./live-run.ts";
import type { Message } from "../messages.ts";
import { inboxRowName, runRowName } from "./row-names.ts";

type FinalEvent = Extract<Command, { kind: "finish" }>["event"];

/** What the run's row says once it is over; the same values as in the last event, so that reading a run needs no journal. */
export function runEnd(context: DriverContext, run: LiveRun, event: FinalEvent): RunEnd {
  const told = messageToParent(context, run, event);
  return { ...ofRow(context, run, event), ...(told && { told }) };
}

function messageToParent({ newId, codec, redactor }: DriverContext, run: LiveRun, event: FinalEvent): RunEnd["told"] {
  const { parentStep } = run.state;
  if (!parentStep) return undefined;
  const { runId, scope, nodeId } = parentStep;
  const body: Message<"child"> = { scope, nodeId, childRunId: run.id, ...outcomeOf(event) };
  const inboxId = newId();
  const at = { tenantId: run.tenantId, row: inboxRowName(inboxId), confidential: run.isConfidential };
  return { runId, inboxId, body: codec.encode(redactor.json(copyJson(body)), at) };
}

function outcomeOf(event: FinalEvent): Pick<Message<"child">, "status" | "output" | "error"> {
  if (event.kind === "run_succeeded") return { status: "succeeded", output: event.body.output };
  return event.kind === "run_failed" ? { status: "failed", error: event.body.error } : { status: "cancelled" };
}

function ofRow(context: DriverContext, run: LiveRun, event: FinalEvent): RunEnd {
  switch (event.kind) {
    case "run_succeeded":
      return { status: "succeeded", output: encode(context, run, { column: "output", value: event.body.output }), error: null };
    case "run_failed": {
      const { error, nodeId, scope } = event.body;
      return { status: "failed", output: null, error: encode(context, run, { column: "error", value: { ...error, nodeId, scope } }) };
    }
    default:
      return { status: "cancelled", output: null, error: null };
  }
}

type Cell = { column: "output" | "error"; value: unknown };
function encode({ codec, redactor }: DriverContext, run: LiveRun, { column, value }: Cell): Buffer {
  const json = redactor.json(copyJson(value));
  return codec.encode(json, { tenantId: run.tenantId, row: runRowName(run.id, column), confidential: run.isConfidential });
}
