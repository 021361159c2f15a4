import { LIMITS } from "#contract/limits.ts";
import { copyJson } from "#contract/parse-json.ts";
import { isFinal } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { Tx } from "../kernel/ports.ts";
import type { UseCaseDeps } from "./deps.ts";
import { inboxRowName } from "./driver/row-names.ts";
import type { Message, MessageKind } from "./messages.ts";
import { runNotFound } from "./read-run.ts";
import { countMessages, findRun, sendMessage, type RunRecord } from "./store/runs.pg.ts";

/** Who speaks to which run. */
export type Speaker = { tenantId: string; actor: string; runId: string };

/** What speaking to a run needs. */
export type SpeakDeps = UseCaseDeps & {
  /** The run's inbox has something; heard only by a holder in this process. */
  wake: (runId: string) => void;
};

export async function mustFind(tx: Tx, runId: string): Promise<RunRecord> {
  const record = await findRun(tx, runId);
  if (!record) throw runNotFound(runId);
  return record;
}

type Outgoing<K extends MessageKind> = { record: RunRecord; kind: K; body: Message<K> };

/**
 * Puts a message into the inbox of a run, in the caller's transaction. False when the run is over. Throws `inbox_full` when the
 * run has not taken up what it was told before, and `run_dead` when nobody takes it up but for being cancelled. The body must have been through the redactor.
 */
export async function speak<K extends MessageKind>(
  { newId, codec }: Pick<UseCaseDeps, "newId" | "codec">,
  tx: Tx,
  { record, kind, body }: Outgoing<K>,
): Promise<boolean> {
  if (isFinal(record.status)) return false;
  if (record.dead && kind !== "cancel" && kind !== "force")
    throw new AppError("run_dead", `Run ${record.id} is dead since ${record.dead.at}: ${record.dead.reason}`);
  const waiting = await countMessages(tx, record.id);
  if (waiting >= LIMITS.inboxMessages) {
    const message = `Expected at most ${LIMITS.inboxMessages} messages in the inbox of run ${record.id}; it has ${waiting}.`;
    throw new AppError("inbox_full", message, { retryable: true });
  }
  const id = newId();
  const { id: runId, tenantId, isConfidential } = record;
  const bytes = codec.encode(copyJson(body), { tenantId, row: inboxRowName(id), confidential: isConfidential });
  return sendMessage(tx, { runId, id, tenantId, kind, body: bytes });
}
