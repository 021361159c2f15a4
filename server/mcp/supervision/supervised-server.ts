import type { Quarantine, ServerHealth } from "#contract/mcp/health.ts";
import type { ServerState } from "#contract/mcp/servers.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { background } from "#server/kernel/log.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { Connection } from "../connection/connection.ts";
import { isOurs, isPermanent } from "../connection/failures.ts";
import { settingsInForce, type ServerRecord } from "../registration/server-record.ts";
import type { ConnectionPool, Lease } from "./connection-pool.ts";
import { refusalOf } from "./refusal.ts";
import { Retries } from "./retries.ts";
import { ServerConnections } from "./server-connections.ts";
import { RECONCILE, isUp, nextState, type Cause, type Wanted } from "./state.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";

type Registration = Pick<
  ServerRecord,
  | "name"
  | "description"
  | "settings"
  | "launch"
  | "launchHash"
  | "approvedLaunchHash"
  | "approvedRoots"
  | "launchMakers"
  | "catalogueTrusted"
  | "desired"
  | "quarantine"
  | "startsAsked"
  | "restartsAsked"
>;

/** Who asks for a connection: `sessionKey` says for which session, where each has its own. */
export type Acquiring = { sessionKey?: string; signal: AbortSignal };

/**
 * Keeps one server as it is wanted (`RECONCILE`) against what happens to it (`TRANSITIONS`). Rules:
 *
 * - Starts and stops take turns; a stop also ends the attempt that is under way.
 * - A failed start, or a server that is lost, is tried again after a growing pause, unless only a person can help or it has
 *   happened `quickFailures` times without a stable time in between: then FAILED, with the reason kept, and after a while one
 *   probe, which either brings it back or leaves it FAILED for longer.
 * - READY means connected and listed. The tools known from the last list stay while it restarts.
 * - A server that keeps breaking the rules is taken out: QUARANTINED, like one that a person takes out, until it is released.
 */
export class SupervisedServer {
  readonly catalogue: ServerCatalogue;
  readonly #ports: SupervisorPorts;
  readonly #connections: ServerConnections;
  readonly #pool: ConnectionPool;
  readonly #retries: Retries;
  #record: ServerRecord;
  #attempt = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #isBeingTakenOut = false;
  #waiting = new Set<() => void>();
  #changes = 0;

  constructor(ports: SupervisorPorts, record: ServerRecord, catalogue: ServerCatalogue) {
    this.#ports = ports;
    this.#record = record;
    this.catalogue = catalogue;
    this.#connections = new ServerConnections(ports, catalogue, {
      record: () => this.#record,
      adopt: (hashes) => this.adopt(hashes),
      onLost: (error, ended) => this.#later(() => this.#onLost(error, ended)),
      onReplaced: () => this.#onReplaced(),
      onChecked: (health, error) => this.#onChecked(health, error),
      takeOut: (reason) => this.#takeOut(reason),
    });
    this.#pool = this.#connections.pool;
    this.#retries = new Retries({ ...ports, tryAgain: () => this.#tryAgain(["STARTING", "FAILED"]) });
  }

  /** Grows with each change of the registration that is taken over: who has read it before may know less by now. */
  get changes(): number {
    return this.#changes;
  }

  get record(): ServerRecord {
    return this.#record;
  }

  /** The connection for what is asked of the server as such, if calls go through. */
  get connection(): Connection | undefined {
    return isUp(this.#record.state) && this.#record.quarantine === null ? this.#pool.first : undefined;
  }

  /** Whether a connection may come without anybody doing anything. */
  get isComing(): boolean {
    return this.#wanted === "running" && this.#record.state !== "FAILED";
  }

  /**
   * Takes over whether the server is quarantined, as it was stored at some time: what has been decided here since then is newer.
   */
  followQuarantine(quarantine: Quarantine | null, storedAt: Date): void {
    const own = this.#record.quarantine;
    const isNewer = own !== null && (this.#isBeingTakenOut || new Date(own.since) >= storedAt);
    if (quarantine?.since === own?.since || (quarantine === null && isNewer)) return;
    this.adopt({ quarantine });
    background(this.#ports.log, `quarantine of MCP server ${this.#record.name}`, () => this.reconcile());
  }

  /** A connection to call over, if there is one at once; it must be released. */
  lease(sessionKey: string | undefined): Lease | undefined {
    return this.#record.quarantine === null ? this.#pool.lease(sessionKey) : undefined;
  }

  /**
   * The same, as soon as there is one. Rejects with `mcp_server_not_ready` when none is coming or the signal aborts, with
   * `mcp_server_quarantined`, and with `mcp_sessions_full`.
   */
  async acquire({ sessionKey, signal }: Acquiring): Promise<Lease> {
    for (;;) {
      const lease = this.lease(sessionKey);
      if (lease !== undefined) return lease;
      await this.whenReady(signal);
      // Whoever has ended it in the meantime has ended what was open, and nothing of it may come after that.
      if (this.connection === undefined) continue;
      // Another call of the session may have opened its connection meanwhile.
      if (this.#record.settings.sharing?.mode === "session" && sessionKey !== undefined)
        return this.lease(sessionKey) ?? this.#pool.leaseSession(sessionKey, signal);
    }
  }

  /** The session is over: its connection ends, after the last call on it. */
  endSession(sessionKey: string): void {
    this.#pool.endSession(sessionKey);
  }

  /** Takes over what has been written about the registration; the state follows with the next `reconcile`. */
  adopt(change: Partial<Registration>): void {
    const before = JSON.stringify(settingsInForce(this.#record));
    this.#changes += 1;
    this.#record = { ...this.#record, ...change };
    if (JSON.stringify(settingsInForce(this.#record)) !== before) this.#pool.fit();
  }

  /** Brings the server to what is wanted of it now. */
  reconcile(): Promise<void> {
    if (this.#wanted !== "running") this.#giveUpAttempt();
    return this.#inTurn(() => this.#reconcile());
  }

  /** Starts with a clean record. Rejects with the first attempt's failure; further attempts may still follow. */
  start(): Promise<void> {
    this.#beginAnew();
    return this.#inTurn(() => this.#start());
  }

  /** Ends the whole process tree and wants it to stay so. */
  stop(): Promise<void> {
    this.#record = { ...this.#record, desired: "stopped" };
    return this.reconcile();
  }

  restart(): Promise<void> {
    this.#beginAnew();
    this.#giveUpAttempt();
    return this.#inTurn(async () => {
      if (!["STOPPED", "QUARANTINED"].includes(this.#record.state)) await this.#bringDown();
      await this.#start();
    });
  }

  /** For the end of the platform: like stop, but the server is started again with the platform. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.reconcile();
  }

  /** The connection, as soon as there is one; a wanted server that nobody has started here is. Rejects with `mcp_server_not_ready` when none is coming or the signal aborts. */
  async whenReady(signal: AbortSignal): Promise<Connection> {
    while (this.connection === undefined) {
      if (!this.isComing || signal.aborted) throw refusalOf(this.#record);
      if (this.#record.state === "STOPPED") this.#tryAgain(["STOPPED"]);
      await this.#change(signal);
    }
    return this.connection;
  }

  /** Tells that somebody has found the connection broken. Nobody gets it from now on. */
  reportLost(connection: Connection, error: AppError): void {
    this.#connections.reportLost(connection, error);
  }

  /** Lists the tools again. Requests at the same time become one. */
  refresh(): Promise<void> {
    return this.#connections.refresh();
  }

  get #wanted(): Wanted {
    if (this.#record.quarantine !== null) return "quarantined";
    return this.#isClosed ? "stopped" : this.#record.desired;
  }

  /** A moment ago: the turn that will see to it has yet to come. */
  get #isReleased(): boolean {
    return this.#record.state === "QUARANTINED" && this.#record.quarantine === null;
  }

  /** The same. */
  get #isLost(): boolean {
    return isUp(this.#record.state) && this.#pool.first === undefined;
  }

  #beginAnew(): void {
    this.#retries.forget();
    this.#connections.forgive();
    this.#record = { ...this.#record, desired: "running" };
  }

  async #start(): Promise<void> {
    if (this.#record.quarantine !== null) throw refusalOf(this.#record);
    await this.#bringUp();
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #later(task: () => Promise<void>): void {
    background(this.#ports.log, `supervision of MCP server ${this.#record.name}`, () => this.#inTurn(task));
  }

  async #reconcile(): Promise<void> {
    for (;;) {
      const action = RECONCILE[this.#wanted][this.#record.state];
      if (action === "nothing") return;
      if (action === "start") return this.#ports.onDemand ? undefined : this.#bringUp().catch(() => {});
      if (action === "down") await this.#bringDown();
      else await this.#move(action, { lastError: action === "released" ? null : this.#describe(refusalOf(this.#record)) });
    }
  }

  async #bringUp(cause: "start" | "probe" = "start"): Promise<void> {
    while (this.#isReleased || this.#isLost) await (this.#isReleased ? this.#move("released", { lastError: null }) : this.#bringDown());
    if (this.#pool.first !== undefined || this.#wanted !== "running") return;
    this.#retries.cancel();
    const attempt = new AbortController();
    this.#attempt = attempt;
    await this.#move(cause, {});
    try {
      await this.#reload();
      const { pid, protocolVersion, serverVersion: version, verdict: era } = await this.#connections.openFirst(attempt.signal);
      this.#record = { ...this.#record, cataloguePinned: true };
      this.#retries.up();
      const serverVersion = version && this.#ports.redact(version);
      await this.#move("ready", { pid, protocolVersion, era, serverVersion, startedAt: this.#ports.now(), lastError: null });
    } catch (thrown) {
      const error = toAppError(thrown);
      // Whoever ends an attempt may not want it to end any more when that has come to pass, so it leaves a state to begin from.
      await (attempt.signal.aborted ? this.#bringDown() : this.#onFailure(error));
      throw error;
    }
  }

  /** Other processes may have approved, pinned or changed something since. */
  async #reload(): Promise<void> {
    const { record } = await this.catalogue.adopt(() => this.#ports.reload(this.#record));
    const { name, description, settings, quarantine, launch, launchHash, approvedLaunchHash, catalogueTrusted } = record;
    const { approvedRoots, launchMakers } = record;
    const stored = { name, description, settings, quarantine, launch, launchHash, approvedLaunchHash, catalogueTrusted };
    this.adopt({ ...stored, approvedRoots, launchMakers });
    if (quarantine === null) return;
    this.#later(() => this.#reconcile());
    throw refusalOf(this.#record);
  }

  async #bringDown(): Promise<void> {
    this.#retries.cancel();
    const closing = this.#pool.close();
    await this.#move("stop", {});
    const survivors = await closing;
    const nothing = { pid: null, startedAt: null };
    if (survivors > 0) {
      const error = new AppError("internal", `${survivors} processes of the server could not be ended.`);
      return this.#move("survived", { ...nothing, lastError: this.#describe(error) });
    }
    if (this.#record.quarantine === null) return this.#move("ended", nothing);
    await this.#move("quarantined", { ...nothing, lastError: this.#describe(refusalOf(this.#record)) });
  }

  /** By a rule. In memory first: from now on nobody calls it, whatever becomes of the writing. */
  #takeOut(reason: string): void {
    if (this.#record.quarantine !== null) return;
    const quarantine = { reason, by: "system:mcp", since: this.#ports.now().toISOString() };
    this.#record = { ...this.#record, quarantine };
    this.#ports.note(this.#record, `taken out: ${reason}`);
    this.#isBeingTakenOut = true;
    void this.#ports.saveQuarantine(this.#record, quarantine).finally(() => {
      this.#isBeingTakenOut = false;
      // Who has read what is stored before this moment knows less.
      this.#changes += 1;
    });
    background(this.#ports.log, `quarantine of MCP server ${this.#record.name}`, () => this.reconcile());
  }

  async #onLost(error: AppError, ended: Promise<unknown>): Promise<void> {
    await ended;
    if (this.#pool.first !== undefined || !isUp(this.#record.state)) return;
    this.#retries.lost();
    this.#record = { ...this.#record, restarts: this.#record.restarts + 1, pid: null, startedAt: null };
    await this.#onFailure(error);
  }

  #onReplaced(): void {
    this.#record = { ...this.#record, pid: this.#pool.first?.pid ?? null, restarts: this.#record.restarts + 1 };
    void this.#save();
  }

  #onChecked(health: ServerHealth, error: AppError | undefined): void {
    const { state } = this.#record;
    this.#record = { ...this.#record, health };
    void this.#ports.saveHealth(this.#record);
    if (error !== undefined && state === "READY") void this.#move("check_failed", { lastError: this.#describe(error) });
    if (health.failedChecks === 0 && state === "DEGRADED") void this.#move("check_passed", { lastError: null });
  }

  /** Another attempt follows after a pause; or this was the last, but for a probe after a longer one. */
  async #onFailure(error: AppError): Promise<void> {
    const failed = { lastError: this.#describe(error), pid: null, startedAt: null };
    this.#ports.note(this.#record, `${error.code}: ${error.message}`);
    if (error.code === "internal") this.#ports.log.error("an MCP server failed for an unknown reason", { name: this.#record.name, error });
    if (isPermanent(error) || this.#wanted !== "running") {
      // Nothing of this server may run; otherwise, sessions that still answer go on.
      await this.#pool.close();
      return this.#move("give_up", failed);
    }
    const { cause, nextAttemptAt } = isOurs(error) ? this.#retries.hindered() : this.#retries.failed();
    await this.#move(cause, { ...failed, nextAttemptAt });
  }

  /** In its turn, unless it has come into another state until then. Its failure is part of the state already. */
  #tryAgain(from: readonly ServerState[]): void {
    this.#inTurn(async () => {
      const { state } = this.#record;
      if (from.includes(state)) await this.#bringUp(state === "FAILED" ? "probe" : "start");
    }).catch(() => {});
  }

  /** Memory first: who asks now must get the new state. */
  async #move(cause: Cause, change: Partial<ServerRecord>): Promise<void> {
    const state: ServerState | undefined = nextState(this.#record.state, cause);
    if (state === undefined) throw new Error(`${cause} cannot happen to a server that is ${this.#record.state}.`);
    this.#record = { ...this.#record, nextAttemptAt: null, ...change, state };
    for (const wake of this.#waiting) wake();
    await this.#save();
  }

  async #save(): Promise<void> {
    if (!this.#isClosed || !this.#ports.isShared) await this.#ports.saveState(this.#record);
  }

  #giveUpAttempt(): void {
    this.#retries.cancel();
    this.#attempt.abort(new AppError("mcp_server_not_ready", "The server was stopped while it started.", { retryable: true }));
  }

  #describe(error: AppError): ServerRecord["lastError"] {
    return { code: error.code, message: this.#ports.redact(error.message), remedy: error.remedy, at: this.#ports.now().toISOString() };
  }

  /** Resolves at the next change of state, or when the signal aborts. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    this.#waiting.delete(wake);
    signal.removeEventListener("abort", wake);
  }
}
