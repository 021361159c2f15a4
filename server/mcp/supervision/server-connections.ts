import type { ServerHealth } from "#contract/mcp/health.ts";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { toAppError, type AppError } from "#server/kernel/errors.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { Connected } from "../connection/connect.ts";
import type { Connection } from "../connection/connection.ts";
import { isOurs } from "../connection/failures.ts";
import { settingsInForce, type ServerRecord } from "../registration/server-record.ts";
import { Checkup, type CheckResult } from "./checkup.ts";
import { coalesce, type News } from "../connection/coalesce.ts";
import { ConnectionPool, type Watched } from "./connection-pool.ts";
import { Health } from "./health.ts";
import { OFFENCE_OF, Offences, RULES, type Offence } from "./offences.ts";
import { refusalOf } from "./refusal.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";

/** The server that the connections are of. */
export type Host = {
  record(): ServerRecord;
  adopt(change: Pick<ServerRecord, "launchHash" | "approvedLaunchHash">): void;
  /** Its first connection is gone, and no other one has taken its place. */
  onLost(error: AppError, ended: Promise<unknown>): void;
  /** Another connection has become the first. */
  onReplaced(): void;
  onChecked(health: ServerHealth, error: AppError | undefined): void;
  /** It has broken a rule. */
  takeOut(reason: string): void;
};

type Opened = { connection: Connected; news: News };

/** How the connections of one server come to be, and who watches them: their answers, their lists, their end. */
export class ServerConnections {
  readonly pool: ConnectionPool;
  readonly #ports: SupervisorPorts;
  readonly #catalogue: ServerCatalogue;
  readonly #host: Host;
  readonly #health = new Health();
  readonly #offences = new Offences();

  constructor(ports: SupervisorPorts, catalogue: ServerCatalogue, host: Host) {
    this.#ports = ports;
    this.#catalogue = catalogue;
    this.#host = host;
    this.pool = new ConnectionPool({
      open: (signal) => this.#openFurther(signal),
      sharing: () => host.record().settings.sharing ?? { mode: "shared" },
      note: (text) => ports.note(host.record(), text),
      latencies: this.#health.latencies,
      timings: ports.timings,
    });
  }

  /** Opens the connection that the server becomes READY with. Leaves nothing behind when it rejects. */
  async openFirst(signal: AbortSignal): Promise<Connected> {
    const opened = await this.#open(signal);
    await closeUnless(opened.connection, async () => {
      const isFlapping = await this.#catalogue.take(this.#host.record(), opened.connection, signal);
      if (isFlapping) this.#host.takeOut("Its tools keep changing.");
      signal.throwIfAborted();
    });
    this.pool.setFirst(this.#watched(opened));
    return opened.connection;
  }

  /** Nobody gets this connection from now on. */
  reportLost(connection: Connection, error: AppError): void {
    const wasFirst = connection === this.pool.first;
    const ended = this.pool.remove(connection);
    if (ended === undefined) return;
    const offence = OFFENCE_OF[error.code];
    if (offence !== undefined) this.#count(offence);
    if (!wasFirst) this.#countLoss();
    if (wasFirst && this.pool.first === undefined) return this.#host.onLost(error, ended);
    this.#ports.note(this.#host.record(), `one of its connections was lost: ${error.message}`);
    if (wasFirst) this.#host.onReplaced();
  }

  /** Lists the tools again. Requests at the same time become one. */
  async refresh(): Promise<void> {
    const { first } = this.pool;
    if (first !== undefined) await this.pool.checkup(first)?.list();
  }

  /** What it has done until now does not count any more. */
  forgive(): void {
    this.#offences.forget();
    this.#catalogue.forgive();
  }

  async #open(signal: AbortSignal): Promise<Opened> {
    // What is started is what was looked at, whatever has been registered in between.
    const record = this.#host.record();
    const approved = await this.#ports.checkLaunch(record);
    if (this.#host.record().launch === record.launch) this.#host.adopt(approved.hashes);
    // Keeps what is told before anybody watches.
    const news = coalesce(0);
    const onToolsChanged = (): void => news.tell();
    const settings = (): ServerSettings => settingsInForce(this.#host.record());
    const connection = await this.#ports.connect(record, { signal, onToolsChanged, settings, file: approved.file });
    return { connection, news };
  }

  /** A connection beyond the first has to list the very same tools. */
  async #openFurther(signal: AbortSignal): Promise<Watched> {
    try {
      const opened = await this.#open(signal);
      await closeUnless(opened.connection, () => this.#compare(opened.connection, signal));
      return this.#watched(opened);
    } catch (thrown) {
      if (!signal.aborted && !isOurs(toAppError(thrown))) this.#countLoss();
      throw thrown;
    }
  }

  async #compare(connection: Connection, signal: AbortSignal): Promise<void> {
    const compare = (): Promise<string[]> => this.#catalogue.differing(this.#host.record(), connection, signal);
    if ((await compare()).length === 0) return;
    // What the server lists may have changed a moment ago, for all of them.
    await this.refresh();
    const differing = await compare();
    if (differing.length === 0) return;
    this.#host.takeOut(`Its connections list different definitions of: ${differing.slice(0, 5).join(", ")}.`);
    throw refusalOf(this.#host.record());
  }

  #watched({ connection, news }: Opened): Watched {
    const watch = (): Checkup => {
      const checkup = new Checkup(connection, {
        timings: this.#ports.timings,
        list: (signal) => this.#list(connection, signal),
        mayAsk: () => connection.transport === "stdio" || this.#ports.leads(),
        isBusy: () => this.pool.isBusy(connection),
        onResult: (result) => this.#onResult(connection, result),
        onHopeless: (error) => this.reportLost(connection, error),
      });
      news.listen(() => void checkup.list());
      void connection.lost.then((error) => this.reportLost(connection, error));
      return checkup;
    };
    return { connection, watch };
  }

  async #list(connection: Connection, signal: AbortSignal): Promise<void> {
    if (connection !== this.pool.first) return this.#compare(connection, signal);
    const isFlapping = await this.#catalogue.take(this.#host.record(), connection, signal);
    if (isFlapping && connection === this.pool.first) this.#host.takeOut("Its tools keep changing.");
  }

  #onResult(connection: Connection, { latencyMs, failed, error }: CheckResult): void {
    if (connection === this.pool.first) this.#host.onChecked(this.#health.note({ latencyMs, failed }, this.#ports.now()), error);
  }

  #countLoss(): void {
    if (this.#host.record().launch.transport === "stdio") this.#count("spawn_storm");
  }

  #count(offence: Offence): void {
    if (this.#offences.count(offence, performance.now())) this.#host.takeOut(`It ${RULES[offence].reason}.`);
  }
}

async function closeUnless(connection: Connection, succeeds: () => Promise<void>): Promise<void> {
  try {
    await succeeds();
  } catch (thrown) {
    await connection.close();
    throw thrown;
  }
}
