import type { Duplex } from "node:stream";
import type { Environment, Json, Page, PageQuery } from "#contract/common.ts";
import type { EgressPurpose } from "#contract/egress.ts";
import type { LiveEvent } from "#contract/system.ts";
import type { ToolPreset, ToolPresetQuery } from "#contract/workflows.ts";
import type { McpEra, McpTransport, Message, MessageFilter, Protocol } from "#contract/messages.ts";

/** One statement's rows. `values` are bound, never interpolated. */
export interface Tx {
  /** With a `name`, the text is parsed once per connection, and planned anew only while that pays. Equal names mean equal texts. */
  query<R extends object = Record<string, unknown>>(text: string, values?: readonly unknown[], name?: string): Promise<R[]>;
}

/** A statement that is prepared once per connection. Equal names mean equal texts. */
export type PreparedStatement = {
  name: string;
  text: string;
  /** A Buffer travels in PostgreSQL's binary format, a string in its text format. */
  values: readonly (Buffer | string | null)[];
};
/** A row as PostgreSQL writes it: the text of each column, in order. */
export type TextRow = readonly (string | null)[];

/** The database as slices see it. Both `as…` run `fn` in one transaction: it commits when `fn` resolves, else rolls back. */
export interface Database {
  /** API role; row-level security shows only this tenant's rows. */
  asTenant<T>(tenantId: string, fn: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * One statement as the API role, in a transaction of its own and one round trip. When the connection breaks, the statement may
   * have been carried out: `database_unavailable`.
   */
  statement(tenantId: string, statement: PreparedStatement): Promise<TextRow[]>;
  /** Worker role; sees all tenants of the run tables, and no users, keys or audit rows. */
  asWorker<T>(fn: (tx: Tx) => Promise<T>): Promise<T>;
}

/** One line of the audit trail; written in the transaction of the change it tells of. */
export type AuditRecord = {
  tenantId: string;
  actor: string;
  /** `resource.verb`, for example `workflow.created`. */
  action: string;
  /** `kind:id` of what was changed. */
  target: string;
  outcome?: "allow" | "deny";
  reason?: string;
  details?: Record<string, Json>;
};
export interface Audit {
  /** Entries of one tenant, in order. Several together cost no more round trips than one. */
  record(tx: Tx, ...entries: readonly AuditRecord[]): Promise<void>;
}

/** Entries that are to be recorded by the very statement that makes the change they tell of. */
export type AuditDraft = {
  values: PreparedStatement["values"];
  /** Must be called: what became of the statement, and its `clock_timestamp()` in ms since the epoch if it was carried out. */
  settle(result: { kind: "recorded"; at: number } | { kind: "not_recorded" }): void;
};
export interface AuditDrafts {
  /**
   * Two CTEs, `audit_head` and `audit_lines`, whose parameters are numbered from `first`: an AuditDraft's values. `audit_head`
   * has one row if the trail still ends where the draft expects it, else none, and then nothing is recorded: the statement must
   * make its changes only for that row. `onlyIf`: a condition on earlier CTEs, without which there is none either.
   */
  sql(first: number, onlyIf?: string): string;
  /** Undefined when the trail has not begun. */
  draft(tenantId: string, entries: readonly AuditRecord[]): Promise<AuditDraft | undefined>;
}

/**
 * What stores secrets beside other changes, in their transaction. The entry for the trail is given back: recorded after all rows are
 * written, nobody waits for a row while others wait for the trail.
 */
export interface SecretWriter {
  /** Must be awaited before the transaction that `create` is called in. */
  prepare(tenantId: string): Promise<void>;
  /** The names that secrets of this environment have. */
  names(tx: Tx, environment: Environment): Promise<Set<string>>;
  /** Never replaces: throws `conflict` when there is a secret of this name. `madeFor`: the MCP server that it is stored for. */
  create(tx: Tx, secret: SecretPlace & { actor: string; value: string; madeFor: string }): Promise<AuditRecord>;
  /** The names of the secrets that were stored for a server and that no person has replaced since. */
  madeFor(tx: Tx, serverId: string): Promise<string[]>;
  /** From now on the secret is another server's. */
  handOver(tx: Tx, secret: SecretPlace, serverId: string): Promise<void>;
  /** `because`: what it goes with, as the trail names it. */
  remove(tx: Tx, secret: SecretPlace & { actor: string; because: string }): Promise<AuditRecord>;
}
export type SecretPlace = { tenantId: string; name: string; environment: Environment };

/** Removes every known secret value (and its base64, URL and hex forms) from what is stored, logged or sent. */
export interface Redactor {
  text(value: string): string;
  json<T extends Json>(value: T): T;
}

/** Which step caused a frame. Absent for calls made outside runs. `confidential` as the run's workflow is classified: its frames are then stored encrypted. */
export type StepRef = { runId: string; scope: string; nodeId: string; attempt: number; confidential?: boolean };

/** JSON as the text that was sent or received, so that it need not be written a second time. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The conversation with an MCP server, or with a client of the gateway, that a frame belongs to. */
export type FrameServer = {
  /** Undefined of a client. */
  serverId?: string | undefined;
  /** Of one connection; of a stdio server, it is also the id of its process. */
  connectionId: string;
  transport: McpTransport;
  /** Undefined until the handshake has shown it. */
  era?: McpEra | undefined;
  /** Of a call and its answer. */
  tool?: string | undefined;
};

export type Frame = {
  tenantId: string;
  protocol: Protocol;
  direction: "out" | "in";
  kind: "request" | "response" | "notification" | "error" | "chunk";
  method: string;
  from: string;
  to: string;
  correlationId: string;
  step?: StepRef;
  latencyMs?: number;
  content: Json | JsonText;
  mcp?: FrameServer;
  /** Of an answer that tells of a failure: the protocol's code, or `tool_error` for a result that says so. */
  errorCode?: string | undefined;
};
/** Takes protocol frames, redacts and stores them in batches. Never blocks and never fails the exchange it records. */
export interface FrameSink {
  record(frame: Frame): void;
}

/** Reads stored frames of one tenant. */
export interface FrameReader {
  /** Oldest first within a run, else newest first. Throws `cursor_invalid`. */
  list(tenantId: string, query: MessageFilter & PageQuery): Promise<Page<Message>>;
  /** A frame with the others of its exchange, oldest first. Undefined when there is none. */
  exchange(tenantId: string, id: string): Promise<{ frame: Message; others: Message[] } | undefined>;
  /** All that fit, newest first: read a page at a time, as slowly as it is taken. */
  all(tenantId: string, filter: MessageFilter): AsyncIterable<Message>;
  /** Those from now on, or after a cursor, until the signal aborts. Throws `cursor_invalid` at once. */
  follow(tenantId: string, following: { filter: MessageFilter; after?: string | undefined; signal: AbortSignal }): AsyncIterable<Followed>;
}
/**
 * `cursor` is where to go on after it. `begun` comes first, lest what comes before the first frame is lost to whoever is cut off there.
 * `missed`: the reader has fallen behind, and at least so many frames are left out.
 */
export type Followed = { cursor: string } & ({ kind: "begun" } | { kind: "frame"; message: Message } | { kind: "missed"; frames: number });

/** Hints about changes, fanned out to live streams. Delivery is best effort: readers fetch the truth from the database. */
export interface LiveBus {
  publish(tenantId: string, event: LiveEvent): void;
  /** Calls `listener` until the returned function is called. */
  subscribe(tenantId: string, listener: (event: LiveEvent) => void): () => void;
}

/** What a process that drives runs does when it hears that there is something to do. Neither rejects. */
export interface WorkListener {
  /** About so many runs have become due. */
  onDue(runs: number): Promise<void>;
  /** Somebody has spoken to this run. False when this process could not see to it, as when another one holds the run. */
  onWoken(runId: string): Promise<boolean>;
  /** Whether this process holds the run. */
  holds(runId: string): boolean;
}

/**
 * Brings word of work to the processes that can do it. A word carries no truth and may be lost: that costs the listeners'
 * next look into the database, nothing else. Speaking never waits and never fails.
 */
export interface Dispatch {
  /** About so many runs have become due: somebody should claim them. */
  due(runs: number): void;
  /** This run's inbox has something: its holder should look, or somebody claim it. */
  wake(runId: string): void;
  /** From now on this process hears, until the returned function is called. */
  listen(listener: WorkListener): () => Promise<void>;
}

/** Which of the processes on one database does what one is enough for. */
export interface Leadership {
  /** Stands for election, until stopped. */
  start(): void;
  /** Whether this process is the one, as far as it knows; for a moment after a break, two may think so. */
  leads(): boolean;
  /** Lets another one be it. */
  stop(): Promise<void>;
}

/** Where the platform's own process may open sockets to, for addresses taken from data. */
export interface Egress {
  /**
   * A `fetch` that checks each socket at connect time and each redirect hop; throws `egress_denied`. With `staysAtOrigin`, a redirect to
   * another origin is refused: for addresses that hold a credential, which the receiver could pass on in the one it redirects to.
   */
  fetchFor(tenantId: string, purpose: EgressPurpose, options?: { staysAtOrigin?: boolean }): typeof globalThis.fetch;
  /**
   * Opens sockets for any protocol, checked at connect time like those of `fetchFor`. Rejects with `egress_denied`, or with what
   * the system says. Whoever gets a socket ends it; an error of it is heard as its end.
   */
  connectFor(tenantId: string, purpose: EgressPurpose): (target: { host: string; port: number }) => Promise<Duplex>;
  /** Whether a first call to this target would be let out now. Throws `egress_denied`, or what the name server says; opens no socket. */
  probe(target: { tenantId: string; url: string; purpose: EgressPurpose }): Promise<void>;
  /** Allows a private or loopback target in the transaction that registers it. Public targets need no entry. */
  allow(tx: Tx, entry: { tenantId: string; url: string; purpose: EgressPurpose; actor: string }): Promise<void>;
}

/** Values of the vault, for adapters only. */
export interface SecretReader {
  /** Throws `secret_missing`. Each use is audited; the value is known to the redactor before it is returned. */
  read(ref: { tenantId: string; name: string; environment: string; usedBy: string }): Promise<string>;
}

/** How values are stored: plain, or AES-256-GCM under the tenant's key. Synchronous, as it is on the journal's path. */
export interface ValueCodec {
  /** `row` names the row (table, id, seq); it is bound into the ciphertext, so that values cannot be swapped. */
  encode(value: Json, at: { tenantId: string; row: string; confidential: boolean }): Buffer;
  /** The same of a value that is JSON text already, as `JSON.stringify` writes it. */
  encodeText(json: string, at: { tenantId: string; row: string; confidential: boolean }): Buffer;
  /** Throws `internal` with the row's name when the bytes were changed. */
  decode(bytes: Buffer, at: { tenantId: string; row: string }): Json;
  /** Must be awaited once per tenant before `encode` with `confidential` or `decode` of encrypted bytes. */
  prepare(tenantId: string): Promise<void>;
}

/** The tools of MCP servers that may be called now, as nodes of a workflow. */
export type ToolPresets = (of: ToolPresetQuery & { tenantId: string }) => Promise<Page<ToolPreset>>;
