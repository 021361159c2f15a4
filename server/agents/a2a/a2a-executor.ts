import { z } from "zod";
import { Json, Slug } from "#contract/common.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { requireKind } from "../agent.ts";
import type { NoteReachable } from "../agent-status.ts";
import { exchange, resultOf } from "../exchange.ts";
import { agentBinding, envelopeOf, findBound, findByName, parseStepInput, type StepDeps } from "../step-call.ts";
import { a2aAgent } from "./a2a-agent.ts";
import type { A2aConnector } from "./connection.ts";

const A2aInput = z.object({ agent: Slug, message: Json });

/** `once`, but found again by its task: a restart follows the task instead of sending the message again. */
export function a2aExecutor(deps: StepDeps & { connector: A2aConnector; noteReachable: NoteReachable }): StepExecutor {
  return {
    prepare: async (request) => {
      const { agent: name } = parseStepInput(A2aInput, request.input);
      return { effect: "once", binding: agentBinding(requireKind(await findByName(deps.database, name, request), "a2a")) };
    },
    run: async (call) => {
      const { agent: name, message } = parseStepInput(A2aInput, call.input);
      const agent = requireKind(await findBound(deps.database, name, call), "a2a");
      const envelope = envelopeOf(call, { id: deps.newId(), to: agent.name, protocol: "a2a", content: message });
      const port = a2aAgent(deps.connector, agent);
      const events = exchange(deps, { port, envelope, signal: call.signal, method: call.handle ? "tasks/get" : "message/stream" });
      return deps.noteReachable(agent, () => resultOf(events, (handle) => call.saveHandle(handle)));
    },
  };
}
