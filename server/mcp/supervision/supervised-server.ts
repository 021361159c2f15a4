import type { ServerState } from "#contract/mcp/servers.ts";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { backoffDelay } from "#server/kernel/backoff.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { background } from "#server/kernel/log.ts";
import type { Connected } from "../connection/connect.ts";
import type { Connection } from "../connection/connection.ts";
import { isPermanent } from "../connection/failures.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { canMove, isUp } from "./state.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";

type Registration = Pick<
  ServerRecord,
  | "name"
  | "description"
  | "settings"
  | "launch"
  | "launchHash"
  | "approvedLaunchHash"
  | "catalogueTrusted"
  | "desired"
  | "startsAsked"
  | "restartsAsked"
>;

/** Checks that may fail in a row before a server is started anew. */
const FAILED_CHECKS = 3;

/**
 * Keeps one server as its registration wants it (`desired`) against what happens to it. Rules:
 *
 * - Starts and stops take turns; a stop also ends the attempt that is under way.
 * - A failed start, or a connection that is lost, is tried again after a growing pause, unless only a person can help or it
 *   has happened `quickFailures` times without a stable time in between: then FAILED, with the reason kept.
 * - READY means connected and listed. The tools known from the last list stay while it restarts.
 * - A server whose tools keep changing is taken out: QUARANTINED. Only a person's start lets it out of that and of FAILED.
 */
export class SupervisedServer {
  readonly catalogue: ServerCatalogue;
  readonly #ports: SupervisorPorts;
  #record: ServerRecord;
  #connection: Connection | undefined;
  #attempt = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #failures = 0;
  #failedChecks = 0;
  #upSince = 0;
  #isListStale = false;
  #isClosed = false;
  #waiting = new Set<() => void>();

  constructor(ports: SupervisorPorts, record: ServerRecord, catalogue: ServerCatalogue) {
    this.#ports = ports;
    this.#record = record;
    this.catalogue = catalogue;
  }

  get record(): ServerRecord {
    return this.#record;
  }

  /** The open connection, if calls go through. */
  get connection(): Connection | undefined {
    return isUp(this.#record.state) ? this.#connection : undefined;
  }

  /** Whether a connection may come without anybody doing anything. */
  get isComing(): boolean {
    return !this.#isClosed && this.#record.desired === "running" && !["FAILED", "QUARANTINED"].includes(this.#record.state);
  }

  /** Takes over what has been written about the registration; state and processes stay as they are. */
  adopt(change: Partial<Registration>): void {
    this.#record = { ...this.#record, ...change };
    if (change.settings !== undefined) this.#connection?.settle().catch(() => {});
  }

  /** Starts with a clean record. Rejects with the first attempt's failure; further attempts may still follow. */
  start(): Promise<void> {
    this.#failures = 0;
    this.#record = { ...this.#record, desired: "running" };
    return this.#inTurn(() => this.#bringUp());
  }

  /** Ends the whole process tree and wants it to stay so. */
  stop(): Promise<void> {
    this.#record = { ...this.#record, desired: "stopped" };
    this.#giveUpAttempt();
    return this.#inTurn(() => this.#bringDown("STOPPED"));
  }

  async restart(): Promise<void> {
    this.#giveUpAttempt();
    await this.#inTurn(() => this.#bringDown("STOPPED"));
    await this.start();
  }

  /** For the end of the platform: like stop, but the server is started again with the platform. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#giveUpAttempt();
    await this.#inTurn(() => this.#bringDown("STOPPED"));
  }

  /** The connection, as soon as there is one; a wanted server that nobody has started here is. Rejects with `mcp_server_not_ready` when none is coming or the signal aborts. */
  async whenReady(signal: AbortSignal): Promise<Connection> {
    while (this.connection === undefined) {
      if (!this.isComing || signal.aborted) throw this.#notReady();
      if (this.#record.state === "STOPPED") this.#tryAgain();
      await this.#change(signal);
    }
    return this.connection;
  }

  /** Tells that somebody has found the connection broken. */
  reportLost(connection: Connection, error: AppError): void {
    this.#later(() => this.#onLost(connection, error));
  }

  /** Lists the tools again. Two requests at the same time become one. */
  async refresh(): Promise<void> {
    const connection = this.#connection;
    // While a server is being taken over, its list may be older than the change it announces.
    this.#isListStale = connection === undefined;
    if (connection === undefined) return;
    const { signal } = this.#attempt;
    try {
      const isFlapping = await this.catalogue.take(this.#record, connection, signal);
      if (connection !== this.#connection) return;
      this.#failedChecks = 0;
      if (isFlapping) return this.#later(() => this.#quarantine());
      if (this.#record.state === "DEGRADED") await this.#move("READY", { lastError: null });
    } catch (thrown) {
      if (connection === this.#connection && !signal.aborted) await this.#onFailedCheck(connection, toAppError(thrown));
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #later(task: () => Promise<void>): void {
    background(this.#ports.log, `supervision of MCP server ${this.#record.name}`, () => this.#inTurn(task));
  }

  #refreshLater(): void {
    background(this.#ports.log, `check of MCP server ${this.#record.name}`, () => this.refresh());
  }

  async #bringUp(): Promise<void> {
    if (this.#connection !== undefined || this.#isClosed || this.#record.desired !== "running") return;
    clearTimeout(this.#retry);
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#isListStale = false;
    await this.#move("STARTING", {});
    try {
      await this.#reload();
      const approved = await this.#ports.checkLaunch(this.#record);
      this.#record = { ...this.#record, ...approved.hashes };
      const onToolsChanged = (): void => this.#refreshLater();
      const settings = (): ServerSettings => this.#record.settings;
      const { signal } = attempt;
      const connection = await this.#ports.connect(this.#record, { signal, onToolsChanged, settings, file: approved.file });
      await this.#takeOver(connection, attempt.signal);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (!attempt.signal.aborted) await this.#onFailure(error);
      throw error;
    }
  }

  /** Other processes may have approved, pinned or changed something since. */
  async #reload(): Promise<void> {
    const { record, tools } = await this.#ports.reload(this.#record);
    const { name, description, settings, launch, launchHash, approvedLaunchHash, catalogueTrusted, cataloguePinned } = record;
    this.adopt({ name, description, settings, launch, launchHash, approvedLaunchHash, catalogueTrusted });
    await this.catalogue.adopt(tools, { isPinned: cataloguePinned });
  }

  async #takeOver(connection: Connected, signal: AbortSignal): Promise<void> {
    try {
      await this.catalogue.take(this.#record, connection, signal);
    } catch (thrown) {
      await connection.close();
      throw thrown;
    }
    this.#connection = connection;
    this.#record = { ...this.#record, cataloguePinned: true };
    this.#upSince = performance.now();
    this.#failedChecks = 0;
    void connection.lost.then((error) => this.reportLost(connection, error));
    this.#check = setInterval(() => this.#refreshLater(), this.#ports.timings.checkEveryMs).unref();
    const { pid, protocolVersion, serverVersion, verdict: era } = connection;
    await this.#move("READY", { pid, protocolVersion, era, serverVersion, startedAt: this.#ports.now(), lastError: null });
    if (this.#isListStale) this.#refreshLater();
  }

  async #bringDown(to: "STOPPED" | "QUARANTINED"): Promise<void> {
    const connection = this.#forgetConnection();
    if (connection === undefined && this.#record.state === to) return this.#save();
    await this.#move("STOPPING", {});
    const survivors = (await connection?.close()) ?? 0;
    const nothing = { pid: null, startedAt: null };
    if (survivors === 0) return this.#move(to, nothing);
    const error = new AppError("internal", `${survivors} processes of the server could not be ended.`);
    await this.#move("FAILED", { ...nothing, lastError: this.#describe(error) });
  }

  async #quarantine(): Promise<void> {
    if (this.#connection === undefined) return;
    const error = new AppError("tool_changed", "The server's tools keep changing.", {
      remedy: "Find out why, then start the server again.",
    });
    this.#record = { ...this.#record, lastError: this.#describe(error) };
    await this.#bringDown("QUARANTINED");
  }

  async #onLost(connection: Connection, error: AppError): Promise<void> {
    if (connection !== this.#connection) return;
    this.#forgetConnection();
    if (performance.now() - this.#upSince >= this.#ports.timings.stableAfterMs) this.#failures = 0;
    this.#record = { ...this.#record, restarts: this.#record.restarts + 1, pid: null, startedAt: null };
    await connection.close();
    await this.#onFailure(error);
  }

  async #onFailedCheck(connection: Connection, error: AppError): Promise<void> {
    this.#failedChecks += 1;
    if (this.#failedChecks >= FAILED_CHECKS) return this.reportLost(connection, error);
    if (this.#record.state === "READY") await this.#move("DEGRADED", { lastError: this.#describe(error) });
  }

  /** Either another attempt follows after a pause, or this was the last. */
  async #onFailure(error: AppError): Promise<void> {
    this.#failures += 1;
    const { timings, random } = this.#ports;
    const isOver = isPermanent(error) || this.#failures >= timings.quickFailures || this.#record.desired !== "running" || this.#isClosed;
    const lastError = this.#describe(error);
    this.#ports.note(this.#record, `${error.code}: ${error.message}`);
    if (isOver) return this.#move("FAILED", { lastError, pid: null, startedAt: null });
    await this.#move("STARTING", { lastError });
    const pauseMs = backoffDelay(timings.restart, this.#failures, random());
    this.#retry = setTimeout(() => this.#tryAgain(), pauseMs).unref();
  }

  #tryAgain(): void {
    // Its failure is part of the state already.
    this.#inTurn(() => this.#bringUp()).catch(() => {});
  }

  /** Memory first: who asks now must get the new state. What cannot be written down is logged and written with the next change. */
  async #move(state: ServerState, change: Partial<ServerRecord>): Promise<void> {
    const from = this.#record.state;
    if (from !== state && !canMove(from, state)) throw new Error(`A server cannot go from ${from} to ${state}.`);
    this.#record = { ...this.#record, ...change, state };
    for (const wake of this.#waiting) wake();
    await this.#save();
  }

  /** One after the other, so that the last state written is the last one there was. */
  #save(): Promise<void> {
    const record = this.#record;
    if (this.#isClosed && this.#ports.isShared) return this.#saving;
    this.#saving = this.#saving.then(() => this.#ports.saveState(record));
    return this.#saving;
  }

  #forgetConnection(): Connection | undefined {
    clearInterval(this.#check);
    clearTimeout(this.#retry);
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }

  #giveUpAttempt(): void {
    clearTimeout(this.#retry);
    this.#attempt.abort();
  }

  #describe(error: AppError): ServerRecord["lastError"] {
    return { code: error.code, message: this.#ports.redact(error.message), remedy: error.remedy, at: this.#ports.now().toISOString() };
  }

  #notReady(): AppError {
    const { name, state, lastError } = this.#record;
    const why = lastError === null ? "" : ` ${lastError.message}`;
    return new AppError("mcp_server_not_ready", `The server ${name} is ${state}.${why}`, { retryable: true });
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
