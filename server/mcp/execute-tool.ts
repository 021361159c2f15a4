import { z } from "zod";
import { AppError } from "#server/kernel/errors.ts";
import type { StepExecutor, StepRequest } from "#server/kernel/step-executor.ts";
import type { AllowTool, InvokeTool } from "./invoke-tool.ts";
import type { SupervisedServer } from "./supervised-server.ts";
import type { Supervisor } from "./supervisor.ts";

/** Where a tool that knows about it finds the key that is equal over all attempts of a step. */
export const IDEMPOTENCY_META = "auterity.dev/idempotency-key";

const Input = z.object({ server: z.string(), tool: z.string(), arguments: z.record(z.string(), z.unknown()).default({}) });
type Input = z.infer<typeof Input>;

type Deps = { supervisor: Supervisor; allow: AllowTool; invoke: InvokeTool; firstListMs: number };

const actorOf = ({ step }: StepRequest): string => `run:${step.runId}`;

const LONGEST_MESSAGE = 1_000;

/** The step of a workflow that calls a tool. */
export function createExecuteTool({ supervisor, allow, invoke, firstListMs }: Deps): StepExecutor {
  const target = async (request: StepRequest): Promise<{ server: SupervisedServer; input: Input }> => {
    const input = Input.parse(request.input);
    const address = { tenantId: request.tenantId, environment: request.environment, name: input.server };
    const server = supervisor.known(address) ?? (await supervisor.find(address));
    if (!server) throw new AppError("mcp_server_unknown", `There is no MCP server named ${input.server} in ${request.environment}.`);
    return { server, input };
  };
  return {
    async prepare(request) {
      const { server, input } = await target(request);
      // A server that has never listed its tools has to do so before anything can be said about them.
      if (!server.catalogue.isKnown) await server.whenReady(AbortSignal.timeout(firstListMs));
      const tool = await allow({ server, tool: input.tool, actor: actorOf(request) });
      return { effect: tool.effect, binding: { tool_hash: tool.hash, server_id: server.record.id } };
    },
    async run(call) {
      const { server, input } = await target(call);
      const bound = call.binding;
      if (bound?.["server_id"] !== undefined && bound["server_id"] !== server.record.id) {
        throw new AppError("tool_changed", `${input.server} is another server than the one this step was bound to.`);
      }
      const { isError, text, ...rest } = await invoke({
        server,
        tool: input.tool,
        hash: bound?.["tool_hash"],
        arguments: input.arguments,
        meta: { [IDEMPOTENCY_META]: call.key },
        timeoutMs: call.timeoutMs,
        signal: call.signal,
        step: call.step,
        actor: actorOf(call),
      });
      if (isError) throw new AppError("tool_failed", text.slice(0, LONGEST_MESSAGE) || `The tool ${input.tool} failed without a message.`);
      return { text, isError, ...rest };
    },
  };
}
