import { existsSync, readFileSync } from "node:fs";
import type pg from "pg";
import { Definition } from "#contract/definition.ts";
import type { JournalEvent } from "#contract/journal.ts";
import type { Run, RunStatus } from "#contract/runs.ts";
import { compile, type Plan } from "#engine/index.ts";
import type { Client } from "#sdk/client.ts";
import type { History } from "./history.ts";

export type RunRow = {
  id: string;
  tenant_id: string;
  workflow_id: string;
  version: number;
  status: RunStatus;
  epoch: number;
  owner: string | null;
  wake_at: Date | null;
  parent_run_id: string | null;
  created_at: Date;
  finished_at: Date | null;
  dead_at: Date | null;
};
export type JournalRow = {
  run_id: string;
  tenant_id: string;
  seq: number;
  kind: string;
  scope: string;
  node_id: string | null;
  attempt: number;
  epoch: number;
  at: Date;
};
export type InboxRow = { run_id: string; tenant_id: string; id: string; kind: string };
export type AuditRow = { tenant_id: string; action: string; target: string };
export type LedgerLine = { entry: string; key: string; at: number };
/** What the API said about a run at some moment. */
export type Observation = { runId: string; status: RunStatus; seq: number };
export type Outage = { from: number; to: number };

export type RunEvidence = { run: Run; journal: readonly JournalEvent[]; plan: Plan };

/** Everything that the checker may look at: public answers, a dump of the database, the ledger of effects, and what was seen on the way. */
export type Evidence = {
  /** Ids of the runs whose start was answered with 2xx. */
  accepted: readonly string[];
  /** By run id, as the API answers after everything has settled. */
  answers: ReadonlyMap<string, RunEvidence>;
  rows: { runs: readonly RunRow[]; journal: readonly JournalRow[]; inbox: readonly InboxRow[]; audit: readonly AuditRow[] };
  ledger: readonly LedgerLine[];
  isAuditValid: boolean;
  observations: readonly Observation[];
  /** Times (ms since the epoch) in which the database took no writes. */
  outages: readonly Outage[];
  history: History;
  /** When every run must have been over; absent where runs may still wait. */
  overBy?: number;
  /** Nobody answered a question but by looking into the ledger: every effect then happened exactly once. */
  isAnsweredTruly: boolean;
  /** Processes of the case that outlived it. */
  survivors: readonly string[];
  /** Values that must be nowhere, and the texts to look into. */
  secrets: { values: readonly string[]; texts: readonly string[] };
};

/** The public API, as far as the checker asks it. */
export type PublicApi = {
  getRun(id: string): Promise<Run>;
  /** All pages. */
  getJournal(id: string): Promise<JournalEvent[]>;
  getDefinition(workflowId: string, version: number): Promise<unknown>;
  verifyAudit(): Promise<{ valid: boolean }>;
};

export function apiOf(client: Client): PublicApi {
  return {
    getRun: (id) => client.getRun({ params: { id } }),
    getJournal: async (id) => {
      const events: JournalEvent[] = [];
      for (let after: number | null = 0; after !== null;) {
        const page: { items: JournalEvent[]; nextAfter: number | null } = await client.getRunJournal({
          params: { id },
          query: { after, limit: 1_000 },
        });
        events.push(...page.items);
        after = page.nextAfter;
      }
      return events;
    },
    getDefinition: async (id, version) => (await client.getWorkflowVersion({ params: { id, version } })).definition,
    verifyAudit: () => client.verifyAudit(),
  };
}

type Sources = Pick<Evidence, "accepted" | "history"> &
  Partial<Omit<Evidence, "accepted" | "answers" | "rows" | "isAuditValid">> & {
    api: PublicApi;
    superuser: pg.ClientBase | pg.Pool;
    ledgerFile?: string;
  };

/** Asks everybody. Rows are those of the accepted runs and their descendants. */
export async function collect({ api, superuser, ledgerFile, ...given }: Sources): Promise<Evidence> {
  const rows = await dump(superuser, given.accepted);
  const plans = new Map<string, Promise<Plan>>();
  const planOf = (workflowId: string, version: number): Promise<Plan> => {
    const key = `${workflowId} ${version}`;
    const known = plans.get(key) ?? api.getDefinition(workflowId, version).then((definition) => compile(Definition.parse(definition)));
    plans.set(key, known);
    return known;
  };
  const answers = new Map<string, RunEvidence>();
  const asked = rows.runs.map(({ id }) => id);
  const askNext = async (): Promise<void> => {
    for (let id = asked.pop(); id !== undefined; id = asked.pop()) {
      const [run, journal] = await Promise.all([api.getRun(id), api.getJournal(id)]);
      answers.set(id, { run, journal, plan: await planOf(run.workflowId, run.version) });
    }
  };
  await Promise.all(Array.from({ length: 8 }, askNext));
  const ids = new Set(rows.runs.map(({ id }) => id));
  return {
    observations: [],
    outages: [],
    isAnsweredTruly: false,
    survivors: [],
    secrets: { values: [], texts: [] },
    ...given,
    answers,
    rows,
    ledger: (given.ledger ?? (ledgerFile === undefined ? [] : readLedger(ledgerFile))).filter(({ entry }) => ids.has(entry.slice(0, 36))),
    isAuditValid: (await api.verifyAudit()).valid,
  };
}

async function dump(superuser: Sources["superuser"], accepted: readonly string[]): Promise<Evidence["rows"]> {
  const runs = await superuser.query<RunRow>(
    `with recursive family as (
       select id from runs where id = any($1::uuid[]) union select r.id from runs r join family f on r.parent_run_id = f.id
     ) select id, tenant_id, workflow_id, version, status, epoch, owner, wake_at, parent_run_id, created_at, finished_at, dead_at
     from runs where id in (select id from family)`,
    [accepted],
  );
  const ids = runs.rows.map(({ id }) => id);
  const journal = await superuser.query<JournalRow>(
    `select run_id, tenant_id, seq, kind, scope, node_id, attempt, epoch, at from run_journal where run_id = any($1::uuid[])
     order by run_id, seq`,
    [ids],
  );
  const inbox = await superuser.query<InboxRow>("select run_id, tenant_id, id, kind from run_inbox where run_id = any($1::uuid[])", [ids]);
  const audit = await superuser.query<AuditRow>("select tenant_id, action, target from audit_log where target = any($1::text[])", [
    ids.map((id) => `run:${id}`),
  ]);
  return { runs: runs.rows, journal: journal.rows, inbox: inbox.rows, audit: audit.rows };
}

/** A line that was cut off by a kill counts as nothing: the answer could not have been given either. */
export function readLedger(file: string): LedgerLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line): LedgerLine => JSON.parse(line));
}
