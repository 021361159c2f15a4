import { adoptStored, compareCatalogue, type CatalogueChange, type PinnedTool } from "./catalogue.ts";
import type { Connection } from "../connection/connection.ts";
import { callFailure } from "../connection/failures.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { createSurroundings, type Neighbour } from "./scan/neighbours.ts";
import { scanTool } from "./scan/scan.ts";
import { MOST_TOOLS, readTool, type ListedTool } from "./tool-definition.ts";

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
  /** The same with what the scan finds, once nobody else can change what all servers of the tenant and environment list. */
  compare: (around: readonly Neighbour[]) => CatalogueChange[];
};

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

  /** Changes one tool as `write` says, which also stores it; no list is taken meanwhile. */
  change(name: string, write: (current: PinnedTool | undefined) => Promise<PinnedTool>): Promise<PinnedTool> {
    return this.#inTurn(async () => {
      const tool = await write(this.tool(name));
      this.#tools.set(tool.name, tool);
      return tool;
    });
  }

  /** Changes until now are no reason any more to say that the tools keep changing. */
  forgive(): void {
    this.#changedAt = [];
  }

  /** Takes over what other processes have written. */
  adopt(stored: readonly PinnedTool[], { isPinned }: { isPinned: boolean }): Promise<void> {
    return this.#inTurn(() => {
      for (const tool of stored) this.#tools.set(tool.name, adoptStored(this.#tools.get(tool.name), tool));
      this.#isPinned ||= isPinned;
      return Promise.resolve();
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
    const listed = this.#read(server, await list(connection, signal), connection.instructions);
    return listed.filter(({ name, hash }) => (this.tool(name)?.hash ?? hash) !== hash).map(({ name }) => name);
  }

  async #take(server: ServerRecord, connection: Connection, signal: AbortSignal): Promise<boolean> {
    const listed = this.#read(server, await list(connection, signal), connection.instructions);
    for (const tool of listed) this.#blockIfChanged(tool);
    const isFirst = !this.#isPinned;
    const policy = { trusted: isFirst && server.catalogueTrusted, newId: this.#ports.newId };
    const known = new Map(this.#tools);
    const seen = compareCatalogue(known, listed, { ...policy, scan: () => [] });
    for (const { kind, tool } of seen) if (kind === "gone") this.#tools.set(tool.name, tool);
    if (seen.length === 0 && !isFirst) return this.#isFlapping([]);
    const compare: FreshList["compare"] = (around) => {
      const surroundings = createSurroundings([
        ...around.filter(({ serverId }) => serverId !== server.id),
        ...listed.map(ofServer(server)),
      ]);
      return compareCatalogue(known, listed, { ...policy, scan: (definition) => scanTool(definition, surroundings.of(server.id)) });
    };
    const changes = await this.#ports.saveCatalogue(server, { isFirst, seen, compare });
    for (const { tool } of changes) this.#tools.set(tool.name, tool);
    this.#isPinned = true;
    return this.#isFlapping(changes);
  }

  /** Until the change is written, the tool counts as unlike anything that was ever listed. */
  #blockIfChanged({ name, hash }: ListedTool): void {
    const known = this.#tools.get(name);
    if (known && known.hash !== hash && known.approvedHash !== hash) this.#tools.set(name, { ...known, hash: "", approval: "changed" });
  }

  #read(server: ServerRecord, raw: readonly unknown[], instructions: string | undefined): ListedTool[] {
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

async function list(connection: Connection, signal: AbortSignal): Promise<unknown[]> {
  try {
    return await connection.listTools(signal);
  } catch (thrown) {
    throw callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
  }
}
