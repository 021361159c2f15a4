import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { ChatCall } from "./chat-call.ts";
import { exchange, resultOf } from "./exchange.ts";
import { modelBinding, portOf, type ModelDirectory } from "./models.ts";
import type { ModelDeps } from "./openai/chat-model.ts";
import { envelopeOf, parseStepInput, type StepDeps } from "./step-call.ts";

/** Models have no effect on the world: an attempt that was lost is made again. */
export function modelExecutor(deps: StepDeps & { models: ModelDirectory; model: ModelDeps }): StepExecutor {
  return {
    prepare: async (request) => {
      const { model } = parseStepInput(ChatCall, request.input);
      return { effect: "none", binding: modelBinding(await deps.models.choose(model, request)) };
    },
    run: async (call) => {
      const { model } = parseStepInput(ChatCall, call.input);
      const chosen = call.binding ? await deps.models.bound(call.binding, call) : await deps.models.choose(model, call);
      const envelope = envelopeOf(call, { id: deps.newId(), to: chosen.id, protocol: "openai", content: call.input });
      const port = portOf(deps.model, chosen);
      return resultOf(exchange(deps, { port, envelope, signal: call.signal, method: "chat.completions" }));
    },
  };
}
