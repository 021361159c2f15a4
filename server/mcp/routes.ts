import {
  approveMcpLaunch,
  createMcpServer,
  deleteMcpServer,
  getMcpServer,
  listMcpServers,
  restartMcpServer,
  startMcpServer,
  stopMcpServer,
  updateMcpServer,
} from "#contract/mcp/servers.ts";
import { callTool, listServerTools, listTools } from "#contract/mcp/tools.ts";
import { addWellKnownServer, listWellKnownServers } from "#contract/mcp/well-known.ts";
import { pageWellKnown } from "./well-known/catalogue.ts";
import { importMcpServers, previewMcpImport } from "#contract/mcp/import.ts";
import { downloadServerLogs, listServerLogs, streamServerLogs } from "#contract/mcp/logs.ts";
import { listServerProcesses } from "#contract/mcp/processes.ts";
import { quarantineMcpServer, releaseMcpServer } from "#contract/mcp/supervision.ts";
import type { McpUseCases } from "./use-cases.ts";
import { EventStream, handle, type Handled } from "#server/kernel/handle.ts";

export const mcpRoutes = ({ servers, tools, logs, processes }: McpUseCases): Handled[] => [
  handle(listMcpServers, ({ caller, query }) => servers.list(caller, query)),
  handle(createMcpServer, ({ caller, body }) => servers.create(caller, body)),
  handle(importMcpServers, ({ caller, body }) => servers.importDocument(caller, body)),
  handle(previewMcpImport, ({ caller, body }) => servers.previewImport(caller, body)),
  handle(listWellKnownServers, ({ query }) => pageWellKnown(query)),
  handle(addWellKnownServer, ({ caller, params, body }) => servers.addWellKnown(caller, { params, body })),
  handle(getMcpServer, ({ caller, params }) => servers.get(caller, params.id)),
  handle(updateMcpServer, ({ caller, params, body }) => servers.update(caller, params.id, body)),
  handle(deleteMcpServer, ({ caller, params }) => servers.remove(caller, params.id)),
  handle(startMcpServer, ({ caller, params }) => servers.control(caller, params.id, "start")),
  handle(stopMcpServer, ({ caller, params }) => servers.control(caller, params.id, "stop")),
  handle(restartMcpServer, ({ caller, params }) => servers.control(caller, params.id, "restart")),
  handle(approveMcpLaunch, ({ caller, params, body }) => servers.approveLaunch(caller, params.id, body)),
  handle(quarantineMcpServer, ({ caller, params, body }) => servers.quarantine(caller, { id: params.id, ...body })),
  handle(releaseMcpServer, ({ caller, params }) => servers.release(caller, params.id)),
  handle(listServerTools, ({ caller, params }) => tools.listOfServer(caller, params.id)),
  handle(listServerProcesses, ({ caller, params }) => processes.list(caller, params.id)),
  handle(listServerLogs, ({ caller, params, query }) => logs.page(caller, params.id, query)),
  handle(downloadServerLogs, ({ caller, params, query }) => logs.download(caller, params.id, query)),
  handle(streamServerLogs, async ({ caller, params, query: { after, ...filter }, headers, signal }) => {
    const resumed = headers["last-event-id"];
    return new EventStream(
      await logs.follow(caller, params.id, { filter, after: resumed === undefined ? after : Number(resumed), signal }),
    );
  }),
  handle(listTools, ({ caller, query }) => tools.list(caller, query)),
  handle(callTool, ({ caller, params, body, signal }) => tools.call(caller, params.id, { ...body, signal })),
];
