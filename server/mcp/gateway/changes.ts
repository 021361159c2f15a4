import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { Connection, ListName } from "../connection/connection.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { approvedTools, isServed } from "./exposure.ts";

/** What was seen of a server at the last look. */
type Seen = { connection: Connection | undefined; stop: (() => void) | undefined; tools: readonly PinnedTool[] };

export type Changes = {
  /** From now on changes of this server are told. */
  follow(server: SupervisedServer): void;
  /** Finds what nobody has told of: approvals, servers that came, went or started again. */
  look(servers: readonly SupervisedServer[]): void;
  close(): void;
};

/** Tells which lists of which servers have changed: at once where the server says so, else at the next look. */
export function createChanges(changed: (server: SupervisedServer, list: ListName) => void): Changes {
  const seen = new Map<SupervisedServer, Seen>();
  const toolsOf = (server: SupervisedServer): readonly PinnedTool[] => (isServed(server) ? approvedTools(server) : []);
  const forget = (server: SupervisedServer): void => {
    seen.get(server)?.stop?.();
    seen.delete(server);
  };
  const follow = (server: SupervisedServer): void => {
    const { connection } = server;
    const last = seen.get(server);
    const tools = toolsOf(server);
    if (last !== undefined && !isSame(last.tools, tools)) changed(server, "tools");
    if (last !== undefined && last.connection === connection) return void (last.tools = tools);
    last?.stop?.();
    seen.set(server, { connection, tools, stop: connection?.onListChanged((list) => changed(server, list)) });
    if (last === undefined || connection === undefined) return;
    changed(server, "resources");
    changed(server, "prompts");
  };
  return {
    follow,
    look(servers) {
      const held = new Set(servers);
      for (const server of servers) follow(server);
      for (const server of seen.keys()) {
        if (held.has(server)) continue;
        forget(server);
        for (const list of ["tools", "resources", "prompts"] as const) changed(server, list);
      }
    },
    close() {
      for (const server of seen.keys()) forget(server);
    },
  };
}

/** A tool that is listed otherwise, or approved, is another object. */
const isSame = (a: readonly PinnedTool[], b: readonly PinnedTool[]): boolean =>
  a.length === b.length && a.every((tool, i) => tool === b[i]);
