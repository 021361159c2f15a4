import { Slug, type Json } from "#contract/common.ts";
import type { Effect } from "#contract/policy.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { findSkill, requireKind, type AgentRecord } from "../agent.ts";
import { exchange, resultOf } from "../exchange.ts";
import { describeIssues, type SchemaCheck } from "../json-schema.ts";
import { agentBinding, envelopeOf, findBound, findByName, parseStepInput, type StepDeps } from "../step-call.ts";
import type { AgentHub } from "./agent-hub.ts";
import { customAgent, SkillCall } from "./custom-agent.ts";

const CustomInput = SkillCall.extend({ agent: Slug });

type CustomDeps = StepDeps & {
  hub: AgentHub;
  checkSchema: SchemaCheck;
  /** Whether what an agent says of its own effects is taken as approved. */
  ownerApproves: boolean;
};

export function customExecutor(deps: CustomDeps): StepExecutor {
  return {
    prepare: async (request) => {
      const { agent: name, skill } = parseStepInput(CustomInput, request.input);
      const agent = requireKind(await findByName(deps.database, name, request), "custom");
      const effect: Effect = deps.ownerApproves ? (findSkill(agent, skill)?.effect ?? "once") : "once";
      return { effect, binding: agentBinding(agent) };
    },
    run: async (call) => {
      const { agent: name, skill, input } = parseStepInput(CustomInput, call.input);
      const agent = requireKind(await findBound(deps.database, name, call), "custom");
      checkSkillInput(agent, { skill, input, checkSchema: deps.checkSchema });
      const envelope = envelopeOf(call, { id: deps.newId(), to: agent.name, protocol: "custom", content: { skill, input } });
      return resultOf(exchange(deps, { port: customAgent(deps.hub, agent), envelope, signal: call.signal, method: `invoke ${skill}` }));
    },
  };
}

type Asked = { skill: string; input: Json; checkSchema: SchemaCheck };

/** An agent that has never connected has no skills yet; what it can do shows when it comes. */
export function checkSkillInput(agent: AgentRecord, { skill: name, input, checkSchema }: Asked): void {
  if (agent.skills.length === 0) return;
  const skill = findSkill(agent, name);
  if (!skill) {
    const known = agent.skills.map((each) => each.name).join(", ");
    throw new AppError("agent_unknown", `${agent.name} has no skill ${name}; it has ${known}.`, {
      remedy: "Use one of the agent's skills.",
    });
  }
  const issues = skill.inputSchema ? checkSchema(skill.inputSchema, input) : [];
  if (issues.length === 0) return;
  throw new AppError("input_invalid", `The input does not fit skill ${name} of ${agent.name}: ${describeIssues(issues)}.`, {
    issues,
    remedy: "Correct the step's input; the agent's page shows the skill's schema.",
  });
}
