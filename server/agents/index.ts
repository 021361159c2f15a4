import { a2aExecutor } from "./a2a/a2a-executor.ts";
import { createA2aConnector } from "./a2a/connection.ts";
import { agentExecutor } from "./agent-executor.ts";
import { askModel } from "./ask-model.ts";
import { noteReachable } from "./agent-status.ts";
import { AgentHub, HUB_TIMES } from "./custom/agent-hub.ts";
import { customExecutor } from "./custom/custom-executor.ts";
import { createSchemaCheck } from "./json-schema.ts";
import { modelExecutor } from "./model-executor.ts";
import { createModelDirectory } from "./models.ts";
import type { Agents, AgentsDeps } from "./ports.ts";
import { ensureAgent } from "./register.ts";
import { agentRoutes, shown } from "./routes.ts";
import { selectKeySecrets } from "./store.pg.ts";

export type { Agents, AgentsDeps };

export function createAgents(deps: AgentsDeps): Agents {
  const { database, egress, secrets } = deps;
  const checkSchema = createSchemaCheck();
  const connector = createA2aConnector({ egress, secrets });
  const hub = new AgentHub({ ...deps, times: { ...HUB_TIMES, ...deps.times } });
  const models = createModelDirectory(database);
  const model = { egress, secrets, checkSchema };
  const parts = { ...deps, checkSchema, connector, hub, models, model, noteReachable: noteReachable(deps) };
  const kinds = { executeModel: modelExecutor(parts), executeCustom: customExecutor(parts), executeA2a: a2aExecutor(parts) };

  return {
    ...kinds,
    routes: agentRoutes(parts),
    executeAgent: agentExecutor(parts, kinds),
    askModel: askModel(parts),
    findModel: ({ model, ...where }) => models.choose(model, where),
    agentSocket: {
      authenticate: (token) => hub.authenticate(token),
      accept: (socket, principal) => hub.accept(socket, principal),
    },
    ensureAgent: async ({ tenantId, actor, agent }) => {
      const ensured = await ensureAgent(parts)(agent, { tenantId, actor, approvesAddress: true });
      return { agent: shown(deps, ensured.agent), token: ensured.token };
    },
    secretsUsed: ({ tenantId, ...of }) => database.asTenant(tenantId, (tx) => selectKeySecrets(tx, of)),
    start: () => hub.start(),
    stop: () => hub.stop(),
  };
}
