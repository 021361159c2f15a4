import { setImmediate as others } from "node:timers/promises";
import type { Environment } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { Found } from "./finding.ts";
import { createArgumentJudge } from "./judge-arguments.ts";
import { judgeUse, type StepUse } from "./judge-use.ts";

/** Nodes of the newest versions of workflows that call a tool of a server. */
export type ToolsUsed = (of: {
  tenantId: string;
  environment: Environment;
  server: string;
}) => Promise<(StepUse & { workflow: string; nodeId: string })[]>;

/** What is wrong with steps that call tools: a list for each, in their order. `path` is below the step's data. */
export type JudgeUses = (of: {
  tenantId: string;
  environment: Environment;
  uses: readonly (StepUse & { server: string })[];
}) => Promise<{ path: string; code: string; message: string }[][]>;

export type ToolChecks = {
  /** What keeps steps of saved workflows from calling tools of this server. */
  ofServer: (server: ServerRecord) => Promise<Found[]>;
  ofUses: JudgeUses;
};

/** Nothing is asked of servers: they are taken at what they have listed last. */
export function createToolChecks({ supervisor, toolsUsed }: { supervisor: Supervisor; toolsUsed: ToolsUsed }): ToolChecks {
  const judge = judgeUse(createArgumentJudge());
  return {
    async ofServer({ tenantId, environment, name, id }) {
      const used = await toolsUsed({ tenantId, environment, server: name });
      if (used.length === 0) return [];
      const { catalogue } = await supervisor.get(tenantId, id);
      const found: Found[] = [];
      for (const use of used) {
        const step = `workflows.${use.workflow}.${use.nodeId}`;
        const problems = judge({ server: name, catalogue }, use);
        found.push(...problems.map((problem) => ({ ...problem, path: problem.path === "tool" ? step : `${step}.${problem.path}` })));
        // Compiling schemas takes time, and there may be many steps.
        await others();
      }
      return found;
    },
    async ofUses({ tenantId, environment, uses }) {
      const answers: Awaited<ReturnType<JudgeUses>> = [];
      for (const use of uses) {
        const name = use.server;
        const server = await supervisor.find({ tenantId, environment, name });
        const found: Found[] = server ? judge({ server: name, catalogue: server.catalogue }, use) : [unregistered(name, environment)];
        answers.push(found.map(({ path, error: { code, message } }) => ({ path, code, message })));
        await others();
      }
      return answers;
    },
  };
}

const unregistered = (name: string, environment: Environment): Found => ({
  path: "server",
  error: new AppError("mcp_server_unknown", `There is no MCP server named ${name} in ${environment}.`),
});
