import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { StepExecutor, StepRequest } from "#server/kernel/step-executor.ts";
import type { AllowTool } from "./allow-tool.ts";
import type { InvokeTool } from "./invoke-tool.ts";
import { IDEMPOTENCY_META } from "./meta-keys.ts";
import { isRecord } from "../connection/json-value.ts";
import type { AskPeople } from "../questions/ask-people.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";

type Input = { server: string; tool: string; arguments: Record<string, unknown> };

/** By hand rather than by schema: it is on the path of every call, and the definition was validated when it was saved. */
function readInput(input: Json): Input {
  const { server, tool, arguments: args = {} } = isRecord(input) ? input : {};
  if (typeof server === "string" && typeof tool === "string" && isRecord(args)) return { server, tool, arguments: args };
  throw new AppError("request_invalid", "Expected `server`, `tool` and `arguments` (an object) as the step's input.");
}

type Deps = { supervisor: Supervisor; allow: AllowTool; invoke: InvokeTool; firstListMs: number; askPeople: AskPeople };

const actorOf = ({ step }: StepRequest): string => `run:${step.runId}`;

const LONGEST_MESSAGE = 1_000;

/** The step of a workflow that calls a tool. */
export function createExecuteTool({ supervisor, allow, invoke, firstListMs, askPeople }: Deps): StepExecutor {
  const find = async ({ tenantId, environment }: StepRequest, name: string): Promise<SupervisedServer> => {
    const server = await supervisor.find({ tenantId, environment, name });
    if (!server) throw new AppError("mcp_server_unknown", `There is no MCP server named ${name} in ${environment}.`);
    // A server that has never listed its tools has to do so before anything can be said about them.
    if (!server.catalogue.isKnown) await server.whenReady(AbortSignal.timeout(firstListMs));
    return server;
  };
  const known = ({ tenantId, environment }: StepRequest, name: string): SupervisedServer | undefined => {
    const server = supervisor.known({ tenantId, environment, name });
    return server?.catalogue.isKnown ? server : undefined;
  };
  return {
    async prepare(request) {
      const input = readInput(request.input);
      const server = known(request, input.server) ?? (await find(request, input.server));
      const tool = await allow({ server, tool: input.tool, actor: actorOf(request), step: request.step });
      return { effect: tool.effect, binding: { tool_hash: tool.hash, server_id: server.record.id } };
    },
    async run(call) {
      const input = readInput(call.input);
      const server = known(call, input.server) ?? (await find(call, input.server));
      const bound = call.binding;
      if (bound?.["server_id"] !== undefined && bound["server_id"] !== server.record.id) {
        throw new AppError("tool_changed", `${input.server} is another server than the one this step was bound to.`, {
          remedy: "Answer the run's question with `run_again` to use the server that has this name now.",
        });
      }
      const { isError, text, ...rest } = await invoke({
        server,
        tool: input.tool,
        hash: bound?.["tool_hash"],
        arguments: input.arguments,
        meta: { [IDEMPOTENCY_META]: call.key },
        effect: call.effect,
        timeoutMs: call.timeoutMs,
        signal: call.signal,
        step: call.step,
        onProgress: call.showProgress,
        actor: actorOf(call),
        ask: askPeople({ server: server.record, tool: input.tool, step: call.step, key: call.key, holdTimeout: call.holdTimeout }),
      });
      if (isError) throw new AppError("tool_failed", text.slice(0, LONGEST_MESSAGE) || `The tool ${input.tool} failed without a message.`);
      return { text, isError, ...rest };
    },
  };
}
