/* One old step as one node, or two for a model's call and what its answer adds to the bag. */
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { answerNode, modelData, retries } from "./ai-step.ts";
import { VALIDATION_SOURCE } from "./code-sources.ts";
import { conditionOf } from "./conditions.ts";
import type { OldStep } from "./graph.ts";
import type { Names } from "./names.ts";
import { kindOf, SIMULATED_PORTS, type StepKind } from "./step-kinds.ts";
import { literal } from "./text.ts";

type Node = DefinitionInput["nodes"][number];
/** `entry` is where edges lead to and `exit` where they leave; `adds` is what the step adds to the bag, as expressions. */
export type CompiledStep = { nodes: Node[]; entry: string; exit: string; isCondition: boolean; adds: string[]; warnings: Issue[] };
export type StepPlace = { names: Names; bag: string; isStart: boolean; /** Edges that leave it. */ branches: number; attempts: number };

export function compileStep(step: OldStep, place: StepPlace): CompiledStep {
  const id = place.names.of(step.id);
  const base = { id, label: step.label.slice(0, LIMITS.nameChars), ...(step.position && { position: step.position }) };
  if (place.isStart) return plain({ ...base, type: "start" });
  return COMPILE[kindOf(step.type)](step, place, base);
}

type Base = { id: string; label: string; position?: { x: number; y: number } };
type Compile = (step: OldStep, place: StepPlace, base: Base) => CompiledStep;

const COMPILE: Record<StepKind, Compile> = {
  marker: (_step, _place, base) => passing(base),
  unknown: ({ id, type }, _place, base) => warned(passing(base, { warning: unknownType(type) }), id, unknownType(type)),
  input: ({ config }, { bag }, base) => adding(base, { [textOf(config["field"]) ?? "input"]: `=${bag}` }),
  process: ({ config }, { bag }, base) => (config["operation"] === "uppercase" ? adding(base, `=${uppercase(bag)}`) : passing(base)),
  output: ({ config }, { bag }, base) => ((config["format"] ?? "json") === "json" ? adding(base, { result: `=${bag}` }) : passing(base)),
  ai: compileAi,
  validation: compileValidation,
  condition: compileCondition,
  simulated: compileSimulated,
};

const textOf = (value: Json | undefined): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const unknownType = (type: string): string => `The type ${type || "of this step"} is not known; the step passes on what it gets.`;
const uppercase = (bag: string): string => `$merge($each(${bag}, function($v, $k) { {$k: $type($v) = "string" ? $uppercase($v) : $v} }))`;

const plain = (node: Node): CompiledStep => ({ nodes: [node], entry: node.id, exit: node.id, isCondition: false, adds: [], warnings: [] });
const passing = (base: Base, output: Json = null): CompiledStep => plain({ ...base, type: "transform", data: { output } });
const adding = (base: Base, output: Json): CompiledStep => ({ ...passing(base, output), adds: [`steps.${base.id}`] });
const warned = (compiled: CompiledStep, id: string, message: string): CompiledStep => ({
  ...compiled,
  warnings: [...compiled.warnings, { path: "", nodeId: id, message }],
});

function compileAi({ type, config }: OldStep, { names, bag, attempts }: StepPlace, base: Base): CompiledStep {
  const step = { type, config, bag, attempts };
  const exit = names.fresh(`${base.id}_answer`);
  const below = base.position && { position: { x: base.position.x + 40, y: base.position.y + 60 } };
  return {
    nodes: [
      { ...base, type: "openai_model", data: modelData(step), policy: retries(attempts) },
      answerNode(step, base.id, { id: exit, label: `${base.label}: answer`.slice(0, LIMITS.nameChars), ...below }),
    ],
    entry: base.id,
    exit,
    isCondition: false,
    adds: [`steps.${exit}`],
    warnings: [],
  };
}

function compileValidation({ id, config }: OldStep, { bag }: StepPlace, base: Base): CompiledStep {
  const schema = config["validation_schema"];
  if (typeof schema !== "object" || schema === null) {
    return warned(passing(base), id, "Expected a `validation_schema`; without one, nothing is checked.");
  }
  const data = { source: VALIDATION_SOURCE, input: { schema: literal(schema), data: `=${bag}` } };
  return { ...plain({ ...base, type: "code", data }), adds: [`steps.${base.id}`] };
}

/** Without a condition that can be understood, all branches are taken, as the old engine did. */
function compileCondition({ id, config }: OldStep, { bag, branches }: StepPlace, base: Base): CompiledStep {
  const when = conditionOf(config, bag);
  if (when === undefined) return warned(passing(base), id, "Its condition cannot be evaluated; all branches are taken.");
  const compiled: CompiledStep = { ...plain({ ...base, type: "condition", data: { when: `=${when}` } }), isCondition: true };
  return branches <= 2 ? compiled : warned(compiled, id, "It has more than two branches; those beyond the second are taken with it.");
}

function compileSimulated({ id, type }: OldStep, _place: StepPlace, base: Base): CompiledStep {
  const ports = SIMULATED_PORTS.get(type);
  const warning = `Nothing is behind ${type} here: the step is only simulated.`;
  const done: Json = { ...ports, simulated: true };
  return warned(ports ? adding(base, done) : passing(base, { ...done, warning }), id, warning);
}
