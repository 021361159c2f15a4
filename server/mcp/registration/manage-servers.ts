import type { Page, PageQuery } from "#contract/common.ts";
import type { CreateMcpServer, McpServer, UpdateMcpServer } from "#contract/mcp/servers.ts";
import type { ImportMcpServers, importMcpServers, previewMcpImport } from "#contract/mcp/import.ts";
import type { RouteResponse } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { addWellKnown, type AddWellKnown } from "../well-known/add-server.ts";
import { approveLaunch, type ApprovalDeps } from "./approvals.ts";
import { importServers, type ImportDeps } from "./import-servers.ts";
import { previewImport } from "./preview-import.ts";
import { ensureServer, registerServers, registrantOf, type ServerSpec } from "./register-server.ts";
import { viewServer } from "./server-record.ts";
import { deleteServer, findServer, pageServers, saveWish } from "./servers.pg.ts";
import { startTogether } from "./start-together.ts";
import { updateServer } from "./update-server.ts";
import { quarantineUseCases, type QuarantineUseCases } from "../supervision/quarantine.ts";

export type ServerUseCaseDeps = ImportDeps & ApprovalDeps;

export type ServerUseCases = QuarantineUseCases & {
  list(caller: Caller, query: PageQuery): Promise<Page<McpServer>>;
  get(caller: Caller, id: string): Promise<McpServer>;
  create(caller: Caller, body: CreateMcpServer): Promise<McpServer>;
  /** Waits for each server's first attempt. */
  importDocument(caller: Caller, body: ImportMcpServers): Promise<RouteResponse<typeof importMcpServers>>;
  previewImport(caller: Caller, body: ImportMcpServers): Promise<RouteResponse<typeof previewMcpImport>>;
  /** A server of the bundled catalogue. Waits for its first attempt. */
  addWellKnown(caller: Caller, request: AddWellKnown): Promise<McpServer>;
  /** Another launch is pending until it is approved, and what ran of the old one has ended. */
  update(caller: Caller, id: string, change: UpdateMcpServer): Promise<McpServer>;
  remove(caller: Caller, id: string): Promise<undefined>;
  /** A start waits for the outcome and rejects with the failure's class; a stop ends the whole process tree. */
  control(caller: Caller, id: string, what: Control): Promise<McpServer>;
  approveLaunch(caller: Caller, id: string): Promise<McpServer>;
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
    list: listServers(context),
    get: ({ tenantId }, id) => view(tenantId, id),
    create: createServer(context),
    importDocument: async (caller, body) => {
      const { servers, skipped } = await importServers(deps)(caller, body);
      await startTogether(servers);
      return { items: await Promise.all(servers.map(({ record }) => view(caller.tenantId, record.id))), skipped };
    },
    previewImport: previewImport(deps),
    addWellKnown: async (caller, request) => {
      const server = await addWellKnown(deps)(caller, request);
      await startTogether([server]);
      return view(caller.tenantId, server.record.id);
    },
    update: async (caller, id, change) => {
      const server = await updateServer(deps)({ ...caller, ...registrantOf(caller) }, id, change);
      return view(caller.tenantId, server.record.id);
    },
    remove: removeServer(context),
    control: controlServer(context),
    approveLaunch: async (caller, id) => {
      const server = await approveLaunch(deps)(caller, id);
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

const createServer =
  ({ deps, view }: Context): ServerUseCases["create"] =>
  async (caller, body) => {
    const [server] = await registerServers(deps)(registrantOf(caller), [body]);
    if (!server) throw new AppError("internal", "A registration returned no server.");
    if (body.start) await startTogether([server]);
    return view(caller.tenantId, server.record.id);
  };

const removeServer =
  ({ deps }: Context): ServerUseCases["remove"] =>
  async (caller, id) => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    const isDeleted = await deps.database.asTenant(caller.tenantId, async (tx) => {
      if (!(await deleteServer(tx, id))) return false;
      await deps.audit.record(tx, entryOf(caller, "deleted", id));
      return true;
    });
    await server.close();
    deps.supervisor.remove(server);
    if (!isDeleted) throw serverNotFound(id);
    return undefined;
  };

const controlServer =
  ({ deps, view }: Context): ServerUseCases["control"] =>
  async (caller, id, what) => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    const wish = await deps.database.asTenant(caller.tenantId, async (tx) => {
      await deps.audit.record(tx, entryOf(caller, `${what}_requested`, id));
      return saveWish(tx, id, what);
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
