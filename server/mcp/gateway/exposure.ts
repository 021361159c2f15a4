import { AppError } from "#server/kernel/errors.ts";
import { decodeCursor, encodeCursor } from "#server/kernel/paging.ts";
import { LIMITS } from "#contract/limits.ts";
import { isUsable, type PinnedTool } from "../catalogue/catalogue.ts";
import { parseDefinition, type Definition } from "../catalogue/tool-definition.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { exposedName, exposedUri, splitName, splitUri } from "./names.ts";

/** Something of a server, under the server's own name for it. */
export type Own = { server: SupervisedServer; own: string };

/** What one endpoint serves, and how things are named there. */
export type Exposure = {
  /** Those that are wanted; one that restarts or has just failed a call is among them. */
  servers(): SupervisedServer[];
  name(server: SupervisedServer, own: string): string;
  uri(server: SupervisedServer, own: string): string;
  /** The tool's server and its own name; undefined when it cannot be any. Says nothing about whether it may be called. */
  toolOf(name: string): Own | undefined;
  /** The same of a prompt, whose names only their server knows. */
  promptOf(name: string, known: (server: SupervisedServer) => readonly string[]): Own | undefined;
  ofUri(uri: string): Own | undefined;
  /** Whether what the scan finds something in is left out here, and not there for whoever asks for it. */
  hidesFlagged(server: SupervisedServer): boolean;
};

type Place = { tenantId: string; environment: string };

/** Wanted, and there or on its way. */
export const isServed = (server: SupervisedServer): boolean => server.connection !== undefined || server.isComing;

/** All servers of a tenant as one, under names that no other registration can take over. */
export function allServers(supervisor: Supervisor, place: Place): Exposure {
  const find = (name: string): SupervisedServer | undefined => {
    const server = supervisor.known({ ...place, name });
    return server !== undefined && isServed(server) ? server : undefined;
  };
  const resolve = (name: string, known: (server: SupervisedServer) => Iterable<string>): Own | undefined => {
    const split = splitName(name);
    const server = split && find(split.server);
    if (split === undefined || server === undefined) return undefined;
    if (exposedName(split.server, split.rest) === name) return { server, own: split.rest };
    for (const own of known(server)) if (exposedName(split.server, own) === name) return { server, own };
    return undefined;
  };
  return {
    servers: () =>
      supervisor
        .held()
        .filter(
          (server) => server.record.tenantId === place.tenantId && server.record.environment === place.environment && isServed(server),
        )
        .toSorted((a, b) => (a.record.name < b.record.name ? -1 : 1)),
    name: ({ record }, own) => exposedName(record.name, own),
    uri: ({ record }, own) => exposedUri(record.name, own),
    toolOf: (name) => resolve(name, (server) => server.catalogue.listed().map((tool) => tool.name)),
    promptOf: (name, known) => resolve(name, known),
    ofUri: (uri) => {
      const split = splitUri(uri);
      const server = split && find(split.server);
      return split && server && { server, own: split.own };
    },
    hidesFlagged: ({ record }) => record.settings.allowFlagged !== true,
  };
}

/** One server as it is. */
export function oneServer(server: SupervisedServer): Exposure {
  const own = (name: string): Own => ({ server, own: name });
  return {
    servers: () => [server],
    name: (_, name) => name,
    uri: (_, uri) => uri,
    toolOf: own,
    promptOf: own,
    ofUri: own,
    hidesFlagged: () => false,
  };
}

/** A tool as clients see it. */
type View = Omit<Definition, "instructions">;

/** Parsed once for each definition: what is listed now and then is thousands of them. */
const views = new WeakMap<PinnedTool, View>();

/** An approved tool as its server defines it, under its own name. */
function viewOf(tool: PinnedTool): View {
  const view = views.get(tool);
  if (view !== undefined) return view;
  const { instructions: _, ...definition } = parseDefinition(tool.text);
  views.set(tool, definition);
  return definition;
}

/** Only these may be called, so only these are shown. */
export const approvedTools = (server: SupervisedServer): PinnedTool[] => server.catalogue.listed().filter(isUsable);

/** The tools that may be called, by name. */
export function toolsOf(exposure: Exposure): { pinned: PinnedTool; name: string }[] {
  const tools = exposure
    .servers()
    .flatMap((server) => approvedTools(server).map((pinned) => ({ pinned, name: exposure.name(server, pinned.name) })));
  return tools.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const viewTool = ({ pinned, name }: { pinned: PinnedTool; name: string }): View => ({ ...viewOf(pinned), name });

/** What an approved tool takes, by the name that it has here. */
export function schemaOf(exposure: Exposure, name: string): Record<string, unknown> | undefined {
  const found = exposure.toolOf(name);
  const pinned = found?.server.catalogue.tool(found.own);
  return pinned && isUsable(pinned) ? viewOf(pinned).inputSchema : undefined;
}

/** What a tool says that its structured result is. */
export function outputSchemaOf(server: SupervisedServer, name: string): Record<string, unknown> | undefined {
  const pinned = server.catalogue.tool(name);
  return pinned && viewOf(pinned).outputSchema;
}

/** The instructions that an approved tool was approved with: others have not been looked at by anybody. */
export function instructionsOf(server: SupervisedServer): string | undefined {
  const [approved] = approvedTools(server);
  return approved && parseDefinition(approved.text).instructions;
}

/** One page of something sorted by a key. Throws `cursor_invalid`. */
export function pageOf<T>(sorted: readonly T[], key: (item: T) => string, cursor: string | undefined): { items: T[]; nextCursor?: string } {
  const [after] = decodeCursor(cursor, [/^/]) ?? [];
  const from = after === undefined ? 0 : sorted.findIndex((item) => key(item) > after);
  if (from < 0) return { items: [] };
  const items = sorted.slice(from, from + LIMITS.mcpListItems);
  const last = items.at(-1);
  return from + items.length < sorted.length && last !== undefined ? { items, nextCursor: encodeCursor([key(last)]) } : { items };
}

export const serverUnknown = (name: string): AppError => new AppError("not_found", `There is no MCP server named ${name.slice(0, 80)}.`);
