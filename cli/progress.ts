import pc from "picocolors";
import type { JournalEvent } from "#contract/journal.ts";
import type { Client } from "#sdk/client.ts";
import { printable } from "./output.ts";

type Line = (text: string) => void;

/** Turns a run's events into lines, one as each step ends (and one when an outside call begins anew). */
export function progressLines(print: Line): (event: JournalEvent) => void {
  const began = new Map<string, number>();
  let first: number | undefined;
  return (event) => {
    const at = Date.parse(event.at);
    first ??= at;
    const key = `${event.scope}/${event.nodeId ?? ""}`;
    if (event.kind === "step_started") began.set(key, at);
    const text = event.kind === "run_claimed" ? claimed(event, began.size > 0) : describe(event, at - (began.get(key) ?? at));
    if (event.kind !== "step_started" && event.kind !== "step_bound" && event.kind !== "step_handle") began.delete(key);
    if (text !== undefined) print(`${pc.dim(`${((at - first) / 1000).toFixed(2).padStart(6)} s`)}  ${text}`);
  };
}

function describe(event: JournalEvent, tookMs: number): string | undefined {
  const name = `${event.scope.replace(/^\//, "").replaceAll("/", " ")} ${event.nodeId ?? ""}`.trim();
  const took = tookMs > 0 ? pc.dim(` ${tookMs} ms`) : "";
  switch (event.kind) {
    case "step_succeeded":
      return `${pc.green("✓")} ${name}${took}${event.body.handle === "success" ? "" : pc.dim(` → ${event.body.handle}`)}`;
    case "map_started":
      return `${pc.cyan("≡")} ${name} ${pc.dim(`${event.body.items.length} items`)}`;
    case "step_failed": {
      const next = event.body.retryAt === undefined ? "" : pc.dim(` (attempt ${event.attempt}, will be retried)`);
      return `${pc.red("✗")} ${name} ${printable(event.body.error.code)}: ${printable(event.body.error.message)}${next}`;
    }
    case "step_parked":
      return `${pc.yellow("?")} ${name} ${printable(event.body.question)}`;
    case "step_cancelled":
      return `${pc.yellow("–")} ${name} ${event.body.outcome === "cancelled" ? "cancelled" : "cancelled, outcome unknown"}`;
    default:
      return describeWait(event, name) ?? describeRun(event);
  }
}

/** A run that only waited is claimed by whoever goes on with it; only with calls under way does that tell of a worker's end. */
const claimed = ({ epoch }: JournalEvent, hasCalls: boolean): string | undefined =>
  epoch > 1 && hasCalls ? `${pc.yellow("↻")} taken over by another worker` : undefined;

function describeWait(event: JournalEvent, name: string): string | undefined {
  if (event.kind === "approval_requested") {
    const { message = "", approvers } = event.body;
    return `${pc.yellow("…")} ${name} waits for ${approvers.join(", ")} to decide ${pc.dim(printable(message))}`;
  }
  if (event.kind !== "step_waiting") return undefined;
  const { signal, hook, childRunId, until } = event.body;
  const what = signal === undefined ? undefined : `the signal ${printable(signal)}`;
  const time = until === undefined ? "something" : new Date(until).toISOString();
  return `${pc.yellow("…")} ${name} waits for ${what ?? (hook ? "a call of its hook" : childRunId === undefined ? time : `run ${childRunId}`)}`;
}

function describeRun(event: JournalEvent): string | undefined {
  switch (event.kind) {
    case "run_paused":
    case "breakpoint_hit":
      return `${pc.yellow("‖")} paused`;
    case "run_resumed":
      return `${pc.green("▸")} resumed`;
    case "compensation_started":
      return `${pc.yellow("↶")} undoing ${event.body.steps.length} steps`;
    case "cancel_requested":
    case "force_requested":
      return `${pc.yellow("–")} asked to end`;
    default:
      return undefined;
  }
}

/** Prints a run's steps as they happen and resolves when it is over (or waits for a person). */
export async function follow(client: Client, runId: string, print: Line): Promise<Awaited<ReturnType<Client["getRun"]>>> {
  const show = progressLines(print);
  for await (const event of client.followRun(runId)) {
    show(event);
    if (event.kind === "step_parked") break;
  }
  return client.getRun({ params: { id: runId } });
}
