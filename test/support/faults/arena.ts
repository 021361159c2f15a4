import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Run } from "#contract/runs.ts";
import { ApiError, createClient, type Client } from "#sdk/client.ts";
import { silentLog, type Log } from "#server/kernel/log.ts";
import { newId } from "#server/kernel/ids.ts";
import { openPool } from "#server/postgres/database.ts";
import { lockDataDir, startEmbeddedPostgres, withDatabase, type EmbeddedPostgres } from "#server/postgres/index.ts";
import { PlatformProcess, TOKEN } from "../platform.ts";
import { processesAbout } from "../processes.ts";
import { Proxy } from "../proxy.ts";
import { check, type Violation } from "../run-checker.ts";
import { ROOT } from "../source-files.ts";
import { newDataDir } from "../started-platform.ts";
import { apiOf, collect, readLedger, type Evidence, type Observation, type Outage } from "./evidence.ts";
import { History } from "./history.ts";

const DATABASE = "arena";
const KEY = "one-passphrase-for-all-workers";
/** How long a question is left alone: whoever had asked for the effect has given up by then, or it has happened. */
const SETTLED_MS = 1_500;

const MOST_SHOWN = 20;
const MOST_LOOKED_AT = 60;
const LAST_WORDS = 3_000;
const ANSWER_MS = 15_000;
/** How long a caller tries to start a run. */
const START_MS = 60_000;
const RUN_ID = /[0-9a-f]{8}-[0-9a-f-]{27}/;

const impatient: typeof fetch = (url, init) => {
  const patience = AbortSignal.timeout(ANSWER_MS);
  return fetch(url, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, patience]) : patience });
};

/** A platform process and what stands between it and the database. */
export class FaultWorker {
  readonly platform: PlatformProcess;
  readonly database: Proxy;
  /** Not to be asked: dead, frozen or cut off. */
  isAway = false;

  readonly #serves: boolean;

  constructor(platform: PlatformProcess, database: Proxy, serves: boolean) {
    this.platform = platform;
    this.database = database;
    this.#serves = serves;
  }

  /** Gives up on an answer that does not come. */
  get client(): Client {
    return createClient({ url: this.platform.url, token: TOKEN, fetch: impatient });
  }

  get canBeAsked(): boolean {
    return this.#serves && !this.isAway;
  }

  async start(): Promise<void> {
    await this.platform.start();
    this.isAway = false;
  }

  async kill(): Promise<void> {
    this.isAway = true;
    await this.platform.end("SIGKILL");
  }

  /** Stops the process in its tracks, as a blocked event loop or a paused machine does. */
  freeze(): void {
    this.isAway = true;
    process.kill(this.platform.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.platform.pid, "SIGCONT");
    this.isAway = false;
  }
}

export type Role = "all" | "api" | "worker";
type Lock = Awaited<ReturnType<typeof lockDataDir>>;
type Parts = { dataDir: string; lock: Lock; log: string[]; env: Record<string, string> };
type Started = { workflowId: string; input?: Json; by?: FaultWorker };
type Checked = Partial<Pick<Evidence, "overBy" | "outages" | "ledger">>;

/** A PostgreSQL of its own, workers that share it, a ledger of effects, and everything that was done to them. */
export class Arena {
  readonly history: History;
  readonly postgres: EmbeddedPostgres;
  readonly ledgerFile: string;
  superuser: pg.Pool;
  readonly workers: FaultWorker[] = [];
  readonly #folders: string[];
  readonly #postgresLog: string[];
  readonly #lock: Lock;
  readonly #env: Record<string, string>;
  #accepted: string[] = [];
  #observations: Observation[] = [];

  /** The first role must serve the API. */
  static async start(seed: number, roles: readonly Role[], env: Record<string, string> = {}): Promise<Arena> {
    const dataDir = await newDataDir();
    // Else the next test run would take it for what a killed one has left.
    const lock = await lockDataDir(dataDir);
    const log: string[] = [];
    const postgres = await startEmbeddedPostgres({ dataDir, log: noting(log), superuserPassword: "arena" });
    await postgres.createDatabase(DATABASE);
    const arena = new Arena(seed, postgres, { dataDir, lock, log, env });
    try {
      const first = await arena.addWorker({ role: roles[0] });
      const args = [join(ROOT, "test/support/mcp/faulty-ledger-server.ts")];
      const env = { LEDGER_FILE: arena.ledgerFile };
      const launch = { transport: "stdio" as const, command: process.execPath, args, env };
      await first.client.createMcpServer({ body: { name: "ledger", launch } });
      await Promise.all(roles.slice(1).map((role) => arena.addWorker({ role })));
    } catch (error) {
      await arena.close();
      throw error;
    }
    return arena;
  }

  private constructor(seed: number, postgres: EmbeddedPostgres, { dataDir, lock, log, env }: Parts) {
    this.#lock = lock;
    this.#postgresLog = log;
    this.#env = env;
    this.history = new History(seed);
    this.postgres = postgres;
    const folder = mkdtempSync(join(tmpdir(), "auterity-ledger-"));
    this.ledgerFile = join(folder, "ledger.jsonl");
    writeFileSync(this.ledgerFile, "");
    this.#folders = [folder, dataDir];
    this.superuser = openPool(this.databaseUrl(), 4, silentLog);
  }

  databaseUrl(name = DATABASE): string {
    return withDatabase(this.postgres.url(), name);
  }

  /** What a process needs to work on this database. */
  environment(database: string): { DATABASE_URL: string; AUTERITY_ENCRYPTION_KEY: string } {
    return { DATABASE_URL: this.databaseUrl(database), AUTERITY_ENCRYPTION_KEY: KEY };
  }

  /** From now on `superuser`, and so the checker, sees that database. */
  async lookInto(database: string): Promise<void> {
    await this.superuser.end();
    this.superuser = openPool(this.databaseUrl(database), 4, silentLog);
  }

  async addWorker({ role = "all", database = DATABASE }: { role?: Role | undefined; database?: string } = {}): Promise<FaultWorker> {
    const proxy = await Proxy.before(this.postgres.port);
    const given = this.environment(database);
    const url = given.DATABASE_URL.replace(`:${this.postgres.port}/`, `:${proxy.port}/`);
    const env = { ...given, DATABASE_URL: url, AUTERITY_ROLE: role, AUTERITY_DRAIN_SECONDS: "1", ...this.#env };
    const worker = new FaultWorker(new PlatformProcess(env), proxy, role !== "worker");
    this.workers.push(worker);
    await worker.start();
    return worker;
  }

  /** Starts the workers that are down and mends the ways to the database. */
  async revive(): Promise<void> {
    for (const { database } of this.workers) database.heal();
    await Promise.all(this.workers.filter(({ platform }) => !isRunning(platform.pid)).map((worker) => worker.start()));
  }

  /** Of a worker that can be asked. */
  get client(): Client {
    const worker = this.workers.find(({ canBeAsked }) => canBeAsked);
    if (!worker) throw new Error("No worker can be asked.");
    return worker.client;
  }

  async saveWorkflow(definition: DefinitionInput): Promise<string> {
    const body = { name: `${definition.name} ${newId()}`, definition: JSON.parse(JSON.stringify(definition)) };
    return (await this.client.createWorkflow({ body })).id;
  }

  /** Starts a run as a careful caller does: under a key, and again under the same key until there is an answer. */
  async startRun({ workflowId, input = {}, by }: Started): Promise<string> {
    const key = newId();
    const until = Date.now() + START_MS;
    for (let client = by?.canBeAsked ? by.client : this.client; ; client = this.client) {
      try {
        const call = { params: { id: workflowId }, headers: { "idempotency-key": key }, body: { input } };
        const { id } = await this.history.record(
          `start run ${key.slice(-6)}`,
          () => client.startRun(call),
          (run) => run.id,
        );
        this.#accepted.push(id);
        return id;
      } catch (error) {
        if ((error instanceof ApiError && error.status < 500) || Date.now() > until) throw error;
        await pause(100);
      }
    }
  }

  /** A run that the test has started by itself. */
  accept(...ids: readonly string[]): void {
    this.#accepted.push(...ids);
  }

  /** Notes what the API says about the case's runs at this moment. */
  async observe(ids: readonly string[] = this.#accepted): Promise<Run[]> {
    const { client } = this;
    const runs: Run[] = [];
    for (let i = 0; i < ids.length; i += 20)
      runs.push(...(await Promise.all(ids.slice(i, i + 20).map((id) => client.getRun({ params: { id } })))));
    this.#observations.push(...runs.map(({ id, status, seq }) => ({ runId: id, status, seq })));
    return runs;
  }

  /**
   * Waits until all runs of the case are over, and their child runs. A question is answered by the one who knows: whether the
   * ledger has the entry.
   */
  async settle(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    for (let open = await this.#openRuns(); open.length > 0; open = await this.#openRuns()) {
      if (performance.now() > until) {
        this.#accepted = [];
        throw new Error(`${open.length} runs did not end:\n${await this.#describe(open)}\n${this.history.toString()}`);
      }
      // Not all of a thousand at every look.
      const looked = open.toSorted(() => Math.random() - 0.5).slice(0, MOST_LOOKED_AT);
      const runs = await this.observe(looked).catch(() => []);
      for (const run of runs)
        await this.#answer(run).catch((error: unknown) => this.history.mark(`no answer for ${run.id}: ${String(error)}`));
      await pause(100);
      await this.#hasten().catch(() => {});
    }
  }

  async #openRuns(): Promise<string[]> {
    const { rows } = await this.superuser.query<{ id: string }>(
      `with recursive family as (
         select id from runs where id = any($1::uuid[]) union select r.id from runs r join family f on r.parent_run_id = f.id
       ) select id from runs where id in (select id from family) and finished_at is null`,
      [this.#accepted],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * A worker that has not heard that its start was committed does not know that it holds the run: its lease has to run out. What
   * that takes is measured where workers die; here nobody waits for it.
   */
  async #hasten(): Promise<void> {
    await this.superuser.query(
      `update runs set lease_until = now() - interval '1 s' where owner is not null and epoch = 1 and created_at < now() - interval '2 s'
         and not exists (select from run_journal j where j.run_id = runs.id and j.seq > 2)`,
    );
  }

  async #answer({ id, questions, dead }: Run): Promise<void> {
    if (dead) await this.history.record(`requeue ${id}`, () => this.client.requeueRun({ params: { id } }));
    for (const { scope, nodeId, since } of questions) {
      if (Date.now() - Date.parse(since) < SETTLED_MS) continue;
      const entry = `${id}${scope}/${nodeId}`;
      const hasHappened = readLedger(this.ledgerFile).some((line) => line.entry === entry);
      const body = hasHappened
        ? ({ answer: "happened", output: { text: entry }, scope, nodeId } as const)
        : ({ answer: "did_not_happen", scope, nodeId } as const);
      await this.history
        .record(`answer ${entry} ${body.answer}`, () => this.client.resumeRun({ params: { id }, body }))
        .catch((error: unknown) => {
          // The answer before this one may be on its way still.
          if (!(error instanceof ApiError && error.code === "run_not_waiting")) throw error;
        });
    }
  }

  async #tell(violations: readonly Violation[]): Promise<string> {
    const shown = violations.slice(0, MOST_SHOWN).map(({ invariant, what }) => `  ${invariant}: ${what}`);
    const ids = [...new Set(shown.flatMap((line) => line.match(RUN_ID) ?? []))];
    return `${violations.length} broken promises:\n${shown.join("\n")}\n${await this.#describe(ids)}\n${this.history.toString()}`;
  }

  /** The rows and events of the first few of these runs. */
  async #describe(ids: readonly string[]): Promise<string> {
    const { rows } = await this.superuser.query<{ row: string; events: string }>(
      `select concat_ws(' ', id, workflow_name, status, 'owner', owner, 'lease', lease_until, 'wake', wake_at, 'inbox', inbox_seq) as row,
         (select string_agg(concat_ws(' ', seq, kind, scope, node_id, attempt, epoch, at), E'\\n    ' order by seq) from run_journal where run_id = id) as events
       from runs where id = any($1::uuid[])`,
      [ids.slice(0, 3)],
    );
    const dead = this.workers.filter(({ platform, isAway }) => !isAway && !isRunning(platform.pid));
    const last = dead.map(({ platform }) => `  a worker died by itself; its last words:\n${platform.output.slice(-LAST_WORDS)}`);
    return [...rows.map(({ row, events }) => `  ${row}\n    ${events}`), ...last].join("\n");
  }

  /** The checker's verdict on the runs since the last one; those are forgotten then. */
  async verdict(options: Checked = {}): Promise<Evidence> {
    const [accepted, observations] = [this.#accepted, this.#observations];
    this.#accepted = [];
    this.#observations = [];
    const evidence = await collect({
      accepted,
      history: this.history,
      api: apiOf(this.client),
      superuser: this.superuser,
      ledgerFile: this.ledgerFile,
      observations,
      isAnsweredTruly: true,
      secrets: { values: [KEY], texts: this.workers.map(({ platform }) => platform.output) },
      ...options,
    });
    process.stderr.write(
      `${this.history.toString()}\n${JSON.stringify(Object.fromEntries(Object.entries(Object.groupBy(evidence.rows.journal, (r) => r.kind)).map(([k, v]) => [k, v?.length])))} ledger ${evidence.ledger.length}\n`,
    );
    const violations = check(evidence);
    if (violations.length > 0) throw new Error(await this.#tell(violations));
    return evidence;
  }

  /** Lets the holders' leases run out; what the holders do about it is up to them. */
  async expireLeases(ids?: readonly string[]): Promise<number> {
    const { rowCount } = await this.superuser.query(
      "update runs set lease_until = now() - interval '1 s' where owner is not null and ($1::uuid[] is null or id = any($1))",
      [ids ?? null],
    );
    return rowCount ?? 0;
  }

  /** Ends every connection of the platform to the database; answers how many there were. */
  async terminateConnections(): Promise<number> {
    const { rowCount } = await this.superuser.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename in ('auterity_api', 'auterity_worker')",
      [DATABASE],
    );
    return rowCount ?? 0;
  }

  /** Ends the postmaster; its supervisor starts it again. Resolves when it takes connections. */
  async restartPostgres(signal: "SIGINT" | "SIGKILL"): Promise<Outage> {
    const from = Date.now();
    const before = this.postgres.pid;
    process.kill(before, signal);
    let isGone = false;
    void this.postgres.exited.then(() => (isGone = true));
    while (this.postgres.pid === before || !(await this.#isWritable())) {
      if (isGone) throw new Error(`PostgreSQL did not come back after ${signal}: ${this.#postgresLog.join("\n")}`);
      await pause(20);
    }
    return { from, to: Date.now() };
  }

  async setReadOnly(isReadOnly: boolean): Promise<void> {
    await this.superuser.query(`alter system set default_transaction_read_only = ${isReadOnly ? "on" : "off"}`);
    await this.superuser.query("select pg_reload_conf()");
  }

  async #isWritable(): Promise<boolean> {
    const ask = (): Promise<unknown> => this.superuser.query("select 1");
    return ask().then(
      () => true,
      () => false,
    );
  }

  /** Stops everything; throws when a process is left of it. */
  async close(): Promise<void> {
    for (const { platform, isAway } of this.workers) if (isAway && platform.pid > 0) tryTo(() => process.kill(platform.pid, "SIGCONT"));
    await Promise.all(this.workers.map(({ platform }) => platform.dispose()));
    await this.superuser.end();
    await Promise.all(this.workers.map(({ database }) => database.close()));
    await this.postgres.stop();
    await this.#lock.release();
    const left = await processesAbout(this.ledgerFile);
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`Outlived their platform: ${left.map(({ pid, command }) => `${pid} ${command}`).join(", ")}`);
  }
}

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** For signals to processes that may be gone. */
function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // It was gone.
  }
}

/** What is worth knowing of a PostgreSQL that does not come back. */
function noting(lines: string[]): Log {
  const note = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  return { ...silentLog, warn: note, error: note };
}
