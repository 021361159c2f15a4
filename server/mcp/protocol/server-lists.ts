import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/client";
import type { McpPrompt } from "#contract/mcp/prompts.ts";
import type { McpResource, McpResourceTemplate } from "#contract/mcp/resources.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Connection, ListName } from "../connection/connection.ts";
import type { CallOptions } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { readPrompt, readResource, readTemplate } from "./offers.ts";
import { request } from "./request.ts";

export type Listed<T> = { items: T[]; listedAt: string; isStale: boolean };
type Held<T> = { items: T[]; listedAt: string; connection: Connection; at: number };
export type ListDeps = { now: () => Date; firstListMs: number; listMs: number; checkEveryMs: number };

/** Entries that could not be shown are left out. */
type Source<T> = { list: ListName; read: (connection: Connection, options: CallOptions) => Promise<(T | undefined)[]> };

/** The list of a server, or what it was before while the server restarts. */
export type ListOf<T> = (server: SupervisedServer, signal: AbortSignal) => Promise<Listed<T>>;
export type ServerLists = { resources: ListOf<McpResource>; templates: ListOf<McpResourceTemplate>; prompts: ListOf<McpPrompt> };

/** What servers list beside tools. */
export const createServerLists = (deps: ListDeps): ServerLists => ({
  resources: listOf(deps, { list: "resources", read: async (from, options) => (await from.listResources(options)).map(readResource) }),
  templates: listOf(deps, {
    list: "resources",
    read: async (from, options) => (await from.listResourceTemplates(options)).map(readTemplate),
  }),
  prompts: listOf(deps, { list: "prompts", read: async (from, options) => (await from.listPrompts(options)).map(readPrompt) }),
});

/**
 * A list is asked for when somebody wants it, and again when the server says that it has changed, over another connection, or
 * when it has grown old.
 */
function listOf<T>({ now, firstListMs, listMs, checkEveryMs }: ListDeps, { list, read }: Source<T>): ListOf<T> {
  const held = new WeakMap<SupervisedServer, Held<T>>();
  const heard = new WeakSet<Connection>();
  const changed = new WeakMap<Connection, number>();

  const listen = (connection: Connection): void => {
    if (heard.has(connection)) return;
    heard.add(connection);
    connection.onListChanged((name) => name === list && changed.set(connection, performance.now()));
  };
  const isFresh = ({ connection, at }: Held<T>, current: Connection): boolean =>
    connection === current && at > (changed.get(connection) ?? 0) && performance.now() - at < checkEveryMs;

  return async (server, signal) => {
    const known = held.get(server);
    const current = server.connection;
    if (known && (current === undefined || isFresh(known, current))) return show(known, current === undefined);
    const connection = current ?? (await server.whenReady(AbortSignal.any([signal, AbortSignal.timeout(firstListMs)])));
    listen(connection);
    const at = performance.now();
    const items: (T | undefined)[] = await request(server, connection, () => read(connection, { timeoutMs: listMs })).catch(noList);
    const taken = { items: items.filter((item) => item !== undefined), listedAt: now().toISOString(), connection, at };
    held.set(server, taken);
    return show(taken, false);
  };
}

const METHOD_NOT_FOUND: number = ProtocolErrorCode.MethodNotFound;

/** Many servers have resources and no templates, and say so by not knowing what is asked. */
function noList(thrown: unknown): never[] {
  const cause = thrown instanceof AppError ? thrown.cause : undefined;
  if (cause instanceof ProtocolError && cause.code === METHOD_NOT_FOUND) return [];
  throw thrown;
}

const show = <T>({ items, listedAt }: Held<T>, isStale: boolean): Listed<T> => ({ items, listedAt, isStale });
