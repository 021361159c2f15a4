import type { Sorted } from "#contract/versions.ts";
import { sortRun, type Plan, type RunState } from "#engine/index.ts";
import { compileJsonSchema, type Check } from "../../kernel/json-schema.ts";

/** As `sortRun`, and whether the run's input is one that the version takes. */
export function sortForMove(state: RunState, to: Plan, nodes: Record<string, string>): Sorted {
  const sorted = sortRun(state, to, nodes);
  const [issue] = inputIssues(state, to);
  if (!issue) return sorted;
  const message = `The version does not take the run's input: ${issue.path === "" ? "it" : issue.path} ${issue.message}.`;
  return { ...sorted, verdict: "must_finish", reasons: [...sorted.reasons, { code: "input_incompatible", message }] };
}

function inputIssues({ input }: RunState, { definition }: Plan): ReturnType<Check> {
  return definition.input ? compileJsonSchema(definition.input)(input) : [];
}
