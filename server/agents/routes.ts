import {
  createAgent,
  deleteAgent as deleteAgentRoute,
  getAgent,
  listAgents,
  listModels,
  testAgent as testAgentRoute,
  Agent,
} from "#contract/agents.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { AgentRecord } from "./agent.ts";
import { openaiRoutes, type OpenaiDeps } from "./openai-routes.ts";
import { deleteAgent, registerAgent, type Registrar, type RegistryDeps } from "./register.ts";
import { findAgent, pageOfAgents } from "./store.pg.ts";
import { testAgent, type TestDeps } from "./test-agent.ts";

type Deps = RegistryDeps &
  OpenaiDeps &
  TestDeps & {
    /** Whether an owner's registration of a loopback or private address is its approval. */
    ownerApproves: boolean;
  };

export const agentRoutes = (deps: Deps): Handled[] => {
  const { database, models, ownerApproves } = deps;
  const registrar = ({ tenantId, ref, role }: Caller): Registrar => ({
    tenantId,
    actor: ref,
    approvesAddress: ownerApproves && role === "owner",
  });
  return [
    handle(listAgents, async ({ caller, query }) => {
      const page = await database.asTenant(caller.tenantId, (tx) => pageOfAgents(tx, query));
      return { ...page, items: page.items.map((agent) => shown(deps, agent)) };
    }),
    handle(createAgent, async ({ caller, body }) => {
      const { agent, token } = await registerAgent(deps)(body, registrar(caller));
      return { ...shown(deps, agent), token };
    }),
    handle(getAgent, async ({ caller, params }) => {
      const agent = await database.asTenant(caller.tenantId, (tx) => findAgent(tx, params.id));
      if (!agent) throw notFound();
      return shown(deps, agent);
    }),
    handle(deleteAgentRoute, async ({ caller, params }) => {
      const { tenantId, ref: actor } = caller;
      if (!(await deleteAgent(deps)(params.id, { tenantId, actor }))) throw notFound();
      return undefined;
    }),
    handle(testAgentRoute, ({ caller, params, body, signal }) =>
      testAgent(deps)({ tenantId: caller.tenantId, id: params.id, ...body, signal }),
    ),
    handle(listModels, async ({ caller }) => ({ items: await models.list(caller.tenantId) })),
    ...openaiRoutes(deps),
  ];
};

const notFound = (): AppError => new AppError("not_found", "There is no such agent.");

/** What callers see of an agent: the contract's fields, and nothing else that the record may gain. */
export const shown = ({ scan }: Pick<RegistryDeps, "scan">, agent: AgentRecord): Agent => {
  const { title, description, skills } = agent;
  return Agent.parse({ ...agent, findings: scan({ title, description, skills }) });
};
