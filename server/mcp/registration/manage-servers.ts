import type { Page } from "#contract/common.ts";
import type { McpServer, ServerQuery, UpdateMcpServer } from "#contract/mcp/servers.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { approveLaunch, type ApprovalDeps, type Seen } from "./approvals.ts";
import { addingUseCases, type AddingDeps, type AddingUseCases } from "./adding-use-cases.ts";
import { pageServers } from "./page-servers.pg.ts";
import { prepareDrop, type DropDeps } from "./drop-secrets.ts";
import { ensureServer } from "./ensure-server.ts";
import { registrantOf, type ServerSpec } from "./register-server.ts";
import { viewServer } from "./server-record.ts";
import { deleteServer, findServer, saveWish } from "./servers.pg.ts";
import { startTogether } from "./start-together.ts";
import { updateServer } from "./update-server.ts";
import { quarantineUseCases, type QuarantineUseCases } from "../supervision/quarantine.ts";

export type ServerUseCaseDeps = AddingDeps & ApprovalDeps & DropDeps;

export type ServerUseCases = QuarantineUseCases &
  AddingUseCases & {
    list(caller: Caller, query: ServerQuery): Promise<Page<McpServer>>;
    get(caller: Caller, id: string): Promise<McpServer>;
    /** Another launch is pending until it is approved, and what ran of the old one has ended. */
    update(caller: Caller, id: string, change: UpdateMcpServer): Promise<McpServer>;
    /** The secrets that were stored for it, and that nothing else refers to, go with it. */
    remove(caller: Caller, id: string): Promise<undefined>;
    /** A start waits for the outcome and rejects with the failure's class; a stop ends the whole process tree. */
    control(caller: Caller, id: string, what: Control): Promise<McpServer>;
    approveLaunch(caller: Caller, id: string, seen?: Seen): Promise<McpServer>;
    /** Resolves when the server is ready or its first attempt has failed; its state says which. */
    ensure: (spec: ServerSpec) => Promise<McpServer>;
  };

export type Control = "start" | "stop" | "restart";
type Context = { deps: ServerUseCaseDeps; view: (tenantId: string, id: string) => Promise<McpServer> };

/** What people and programs do with servers. Whatever belongs to another tenant is `not_found`. */
export function serverUseCases(deps: ServerUseCaseDeps): ServerUseCases {
  const view = (tenantId: string, id: string): Promise<McpServer> =>
    deps.database.asTenant(tenantId, async (tx) => {
      const found = await findServer(tx, id);
      if (!found) throw serverNotFound(id);
      return viewServer(found.record, found.toolCount);
    });
  const context = { deps, view };
  return {
    ...quarantineUseCases({ ...deps, view }),
    ...addingUseCases({ ...deps, view }),
    list: listServers(context),
    get: ({ tenantId }, id) => view(tenantId, id),
    update: async (caller, id, change) => {
      const server = await updateServer(deps)({ ...caller, ...registrantOf(caller) }, id, change);
      return view(caller.tenantId, server.record.id);
    },
    remove: removeServer(context),
    control: controlServer(context),
    approveLaunch: async (caller, id, seen) => {
      const server = await approveLaunch(deps)(caller, id, seen);
      if (server.record.desired === "running") await startTogether([server]);
      return view(caller.tenantId, id);
    },
    ensure: async (spec) => {
      const server = await ensureServer(deps)(spec);
      const isWanted = server.record.desired === "running";
      const wish = isWanted ? undefined : await deps.database.asTenant(spec.tenantId, (tx) => saveWish(tx, server.record.id, "start"));
      if (wish) server.adopt(wish);
      if (server.connection === undefined) await startTogether([server]);
      return view(spec.tenantId, server.record.id);
    },
  };
}

const listServers =
  ({ deps }: Context): ServerUseCases["list"] =>
  (caller, query) =>
    deps.database.asTenant(caller.tenantId, async (tx) => {
      const { items, nextCursor } = await pageServers(tx, query);
      return { items: items.map(({ record, toolCount }) => viewServer(record, toolCount)), nextCursor };
    });

const removeServer =
  ({ deps }: Context): ServerUseCases["remove"] =>
  async (caller, id) => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    const dropSecrets = await prepareDrop(deps, caller, server.record);
    const isDeleted = await deps.database.asTenant(caller.tenantId, async (tx) => {
      if (!(await deleteServer(tx, id))) return false;
      const { gone: secrets, records } = await dropSecrets(tx);
      await deps.audit.record(tx, ...records, { ...entryOf(caller, "deleted", id), ...(secrets.length > 0 && { details: { secrets } }) });
      return true;
    });
    await deps.supervisor.remove(server);
    if (!isDeleted) throw serverNotFound(id);
    return undefined;
  };

const controlServer =
  ({ deps, view }: Context): ServerUseCases["control"] =>
  async (caller, id, what) => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    const wish = await deps.database.asTenant(caller.tenantId, async (tx) => {
      // The server first and the trail last, as everywhere: who changes the server at this moment would wait for the trail.
      const saved = await saveWish(tx, id, what);
      if (saved !== undefined) await deps.audit.record(tx, entryOf(caller, `${what}_requested`, id));
      return saved;
    });
    if (!wish) throw serverNotFound(id);
    server.adopt(wish);
    await server[what]();
    return view(caller.tenantId, id);
  };

export const serverNotFound = (id: string): AppError => new AppError("not_found", `There is no MCP server ${id}.`);

const entryOf = ({ tenantId, ref }: Caller, verb: string, id: string) => ({
  tenantId,
  actor: ref,
  action: `mcp_server.${verb}`,
  target: `mcp_server:${id}`,
});
