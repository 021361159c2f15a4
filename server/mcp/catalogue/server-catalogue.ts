import { adoptStored, compareCatalogue, type CatalogueChange, type PinnedTool } from "./catalogue.ts";
import type { Connection } from "../connection/connection.ts";
import { callFailure } from "../connection/failures.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { createSurroundings, type Neighbour } from "./scan/neighbours.ts";
import { scanTool } from "./scan/scan.ts";
import { MOST_TOOLS, readTool, type Definition, type ListedTool } from "./tool-definition.ts";

export type CataloguePorts = {
  saveCatalogue(server: ServerRecord, list: FreshList): Promise<CatalogueChange[]>;
  note(server: ServerRecord, text: string): void;
  newId: () => string;
};
export type FreshList = {
  /** It pins the catalogue. */
  isFirst: boolean;
  /** What has changed, as far as that is known without looking around. */
  seen: readonly CatalogueChange[];
  /** The same with what is stored and what the scan finds, once nobody else can change what all servers of the tenant and environment list. */
  compare: (place: Place) => CatalogueChange[];
};
type Place = {
  around: readonly Neighbour[];
  /** The rows of the tools in `seen`: another process may have written them since this one has read them. */
  stored: readonly PinnedTool[];
  /** `isFirst`, and no other process was earlier. */
  pins: boolean;
};
type Stored = { tools: readonly PinnedTool[]; isPinned: boolean };

/** So many changes of tools within `FLAPPING_MS` are no accident. */
const FLAPPING_CHANGES = 3;
const FLAPPING_MS = 10 * 60 * 1000;

/**
 * The tools of one server as calls see them, without asking the database. A changed tool is blocked here before anything
 * is written, and stays blocked when the writing fails.
 */
export class ServerCatalogue {
  readonly #ports: CataloguePorts;
  readonly #tools: Map<string, PinnedTool>;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: { connection: Connection; result: Promise<boolean> } | undefined;
  #isPinned: boolean;
  /** What is known of the definitions is what a server of this process has listed; until then it is what is stored. */
  #hasListed = false;
  #changedAt: number[] = [];

  constructor(ports: CataloguePorts, { tools, isPinned }: { tools: readonly PinnedTool[]; isPinned: boolean }) {
    this.#ports = ports;
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#isPinned = isPinned;
  }

  /** Whether the server has ever listed its tools. */
  get isKnown(): boolean {
    return this.#isPinned;
  }

  tool(name: string): PinnedTool | undefined {
    const tool = this.#tools.get(name);
    return tool?.listed ? tool : undefined;
  }

  /** What the server's last list held. */
  listed(): PinnedTool[] {
    return [...this.#tools.values()].filter((tool) => tool.listed);
  }

  /** Takes over one tool as `write` has stored it; no list is taken meanwhile. */
  change(write: () => Promise<PinnedTool>): Promise<PinnedTool> {
    return this.#inTurn(async () => {
      const tool = await write();
      this.#adopt(tool);
      return tool;
    });
  }

  /** Changes until now are no reason any more to say that the tools keep changing. */
  forgive(): void {
    this.#changedAt = [];
  }

  /** Takes over what other processes have written. Read in turn, so that it is never older than what this one has written. */
  adopt<T extends Stored>(read: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const stored = await read();
      for (const tool of stored.tools) this.#adopt(tool);
      this.#isPinned ||= stored.isPinned;
      return stored;
    });
  }

  /** Lists the tools and compares. Resolves with whether they keep changing. Joins a list that has not been asked for yet. */
  take(server: ServerRecord, connection: Connection, signal: AbortSignal): Promise<boolean> {
    if (this.#waiting?.connection === connection) return this.#waiting.result;
    const result = this.#inTurn(() => {
      if (this.#waiting?.connection === connection) this.#waiting = undefined;
      return this.#take(server, connection, signal);
    });
    this.#waiting = { connection, result };
    return result;
  }

  /** Which of the tools that this further connection lists are not what the server is known to list under their names. */
  async differing(server: ServerRecord, connection: Connection, signal: AbortSignal): Promise<string[]> {
    const listed = this.#read(server, await list(connection, signal), connection);
    return listed.filter(({ name, hash }) => (this.tool(name)?.hash ?? hash) !== hash).map(({ name }) => name);
  }

  async #take(server: ServerRecord, connection: Connection, signal: AbortSignal): Promise<boolean> {
    const listed = await this.#list(server, connection, signal);
    const merge = this.#merge();
    const hashes = new Map(listed.map(({ name, hash }) => [name, hash]));
    this.#hasListed = true;
    for (const tool of listed) this.#blockIfChanged(tool);
    const isFirst = !this.#isPinned;
    const known = new Map(this.#tools);
    const { newId } = this.#ports;
    const seen = compareCatalogue(known, listed, { trusted: isFirst && server.catalogueTrusted, newId, scan: () => [] });
    for (const { kind, tool } of seen) if (kind === "gone") this.#tools.set(tool.name, tool);
    if (seen.length === 0 && !isFirst) return this.#isFlapping([]);
    const compare: FreshList["compare"] = ({ around, stored, pins }) => {
      for (const tool of stored) {
        const isAlike = hashes.get(tool.name) === tool.hash;
        known.set(tool.name, isAlike ? tool : merge(known.get(tool.name), tool));
      }
      const surroundings = createSurroundings([
        ...around.filter(({ serverId }) => serverId !== server.id),
        ...listed.map(ofServer(server)),
      ]);
      const scan = (definition: Definition): string[] => scanTool(definition, surroundings.of(server.id));
      return compareCatalogue(known, listed, { trusted: pins && server.catalogueTrusted, newId, scan });
    };
    const changes = await this.#ports.saveCatalogue(server, { isFirst, seen, compare });
    for (const tool of known.values()) this.#tools.set(tool.name, tool);
    for (const { tool } of changes) this.#tools.set(tool.name, tool);
    this.#isPinned = true;
    return this.#isFlapping(changes);
  }

  #adopt(stored: PinnedTool): void {
    this.#tools.set(stored.name, this.#merge()(this.#tools.get(stored.name), stored));
  }

  #merge(): typeof adoptStored {
    return this.#hasListed ? adoptStored : (_own, stored) => stored;
  }

  /** Until the change is written, the tool counts as unlike anything that was ever listed. */
  #blockIfChanged({ name, hash }: ListedTool): void {
    const known = this.#tools.get(name);
    if (known && known.hash !== hash && known.approvedHash !== hash) this.#tools.set(name, { ...known, hash: "", approval: "changed" });
  }

  /** What came of a list that breaks off in the middle counts as well. */
  async #list(server: ServerRecord, connection: Connection, signal: AbortSignal): Promise<ListedTool[]> {
    const came: unknown[] = [];
    try {
      return this.#read(server, await list(connection, signal, (page) => void came.push(...page)), connection);
    } catch (thrown) {
      for (const tool of this.#read(server, came, connection)) this.#blockIfChanged(tool);
      throw thrown;
    }
  }

  #read(server: ServerRecord, raw: readonly unknown[], { instructions }: Connection): ListedTool[] {
    const tools = new Map<string, ListedTool>();
    for (const one of raw.slice(0, MOST_TOOLS)) {
      const tool = readTool(one, instructions);
      if ("refused" in tool) this.#ports.note(server, `left out ${tool.refused}`);
      else if (tools.has(tool.name)) this.#ports.note(server, `left out a second tool named ${tool.name}`);
      else tools.set(tool.name, tool);
    }
    if (raw.length > MOST_TOOLS) this.#ports.note(server, `left out all tools beyond the first ${MOST_TOOLS}`);
    return [...tools.values()];
  }

  #isFlapping(changes: readonly CatalogueChange[]): boolean {
    const now = performance.now();
    const recent = this.#changedAt.filter((at) => now - at < FLAPPING_MS);
    const hasChanged = changes.some(({ kind, tool }) => tool.approvedHash !== null && (kind === "changed" || kind === "reverted"));
    this.#changedAt = hasChanged ? [...recent, now] : recent;
    return hasChanged && this.#changedAt.length >= FLAPPING_CHANGES;
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

const ofServer =
  ({ id, name }: ServerRecord) =>
  (tool: ListedTool): Neighbour => ({ serverId: id, server: name, tool: tool.name, isApproved: false });

async function list(connection: Connection, signal: AbortSignal, onPage?: (tools: readonly unknown[]) => void): Promise<unknown[]> {
  try {
    return await connection.listTools(signal, onPage);
  } catch (thrown) {
    throw callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
  }
}
