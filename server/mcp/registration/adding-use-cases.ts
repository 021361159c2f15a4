import type { ImportMcpServers, importMcpServers, previewMcpImport } from "#contract/mcp/import.ts";
import type { CreateMcpServer, McpServer } from "#contract/mcp/servers.ts";
import type { RouteResponse } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { atMost } from "#server/kernel/at-most.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { addWellKnown, type AddWellKnown } from "../well-known/add-server.ts";
import { importServers, type ImportDeps } from "./import-servers.ts";
import { previewImport } from "./preview-import.ts";
import { registerServers, registrantOf } from "./register-server.ts";
import { startTogether } from "./start-together.ts";

/** The ways in which people bring servers here. Each but the preview waits for the servers' first attempts; an import not for longer than it may. */
export type AddingUseCases = {
  create(caller: Caller, body: CreateMcpServer): Promise<McpServer>;
  importDocument(caller: Caller, body: ImportMcpServers): Promise<RouteResponse<typeof importMcpServers>>;
  previewImport(caller: Caller, body: ImportMcpServers): Promise<RouteResponse<typeof previewMcpImport>>;
  /** A server of the bundled catalogue. */
  addWellKnown(caller: Caller, request: AddWellKnown): Promise<McpServer>;
};

export type AddingDeps = ImportDeps & { importWaitMs: number };
type Deps = AddingDeps & { view: (tenantId: string, id: string) => Promise<McpServer> };

/** Somebody may have deleted one of them while the others had their turn. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof AppError) || error.code !== "not_found") throw error;
}

export function addingUseCases(deps: Deps): AddingUseCases {
  const view = ({ record }: SupervisedServer): Promise<McpServer> => deps.view(record.tenantId, record.id);
  const beginOne = async (server: SupervisedServer | undefined): Promise<McpServer> => {
    if (!server) throw new AppError("internal", "A registration returned no server.");
    await startTogether([server]);
    return view(server);
  };
  return {
    create: async (caller, body) => beginOne((await registerServers(deps)(registrantOf(caller), [body]))[0]),
    importDocument: async (caller, body) => {
      const { servers, skipped } = await importServers(deps)(caller, body);
      await atMost(deps.importWaitMs, startTogether(servers));
      const items = await Promise.all(servers.map((server) => view(server).catch(unlessGone)));
      return { items: items.filter((item) => item !== undefined), skipped };
    },
    previewImport: previewImport(deps),
    addWellKnown: async (caller, request) => beginOne(await addWellKnown(deps)(caller, request)),
  };
}
