import { completeMcp, completeTool } from "#contract/mcp/completion.ts";
import { getMcpPrompt, listMcpPrompts } from "#contract/mcp/prompts.ts";
import { listMcpResourceTemplates, listMcpResources, readMcpResource, streamMcpResource } from "#contract/mcp/resources.ts";
import { EventStream, handle, type Handled } from "#server/kernel/handle.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { QuestionDeps } from "../questions/ask-people.ts";
import { questionRoutes } from "../questions/routes.ts";
import { findTool, viewTool } from "../catalogue/tools.pg.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import type { ServerLists } from "./server-lists.ts";
import { suggestAt } from "./suggest.ts";
import type { OfferUseCases } from "./use-offers.ts";
import { watchResource } from "./watch-resource.ts";

type Deps = QuestionDeps & { supervisor: Supervisor; redactor: Redactor; lists: ServerLists; offers: OfferUseCases; firstListMs: number };

/** What servers offer beside tools, and what they ask. */
export function protocolRoutes(deps: Deps): Handled[] {
  const { database, offers } = deps;
  const watch = watchResource(deps);
  return [
    ...questionRoutes(deps),
    handle(listMcpResources, ({ caller, params: { id }, signal }) => offers.resources({ caller, id, signal })),
    handle(listMcpResourceTemplates, ({ caller, params: { id }, signal }) => offers.templates({ caller, id, signal })),
    handle(readMcpResource, ({ caller, params: { id }, body, signal }) => offers.read({ caller, id, signal }, body)),
    handle(
      streamMcpResource,
      async ({ caller, params: { id }, query, signal }) => new EventStream(await watch({ caller, id, signal }, query.uri)),
    ),
    handle(listMcpPrompts, ({ caller, params: { id }, signal }) => offers.prompts({ caller, id, signal })),
    handle(getMcpPrompt, ({ caller, params: { id, name }, body, signal }) => offers.prompt({ caller, id, signal }, { name, ...body })),
    handle(completeTool, async ({ caller: { tenantId }, params: { id }, query: { path } }) => {
      const found = await database.asTenant(tenantId, (tx) => findTool(tx, id));
      if (!found) throw new AppError("not_found", `There is no tool ${id}.`);
      return { items: suggestAt(viewTool(found).inputSchema, path) };
    }),
    handle(completeMcp, ({ caller, params: { id }, body, signal }) => offers.complete({ caller, id, signal }, body)),
  ];
}
