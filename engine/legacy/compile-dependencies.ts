/* The dialect of steps that name those they depend on: no bag, each step gets the results of its dependencies. */
import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { answerText, modelData, retries } from "./ai-step.ts";
import { fieldsOf, namesOf, type Fields, type Migrated, type OldStep } from "./graph.ts";
import { Names } from "./names.ts";
import { graphProblems, inOrder, tooLarge } from "./order.ts";
import { kindOf } from "./step-kinds.ts";
import { literal } from "./text.ts";

type Node = DefinitionInput["nodes"][number];
const Depending = z.object({
  type: z.string().catch("process"),
  input: z.record(z.string(), Json).catch({}),
  depends_on: z.union([z.array(z.string()), z.string().transform((one) => [one])]).catch([]),
  max_retries: z.number().int().min(0).catch(3),
});
const Rule = z.object({ type: z.literal("transform"), field: z.string(), operation: z.enum(["uppercase", "lowercase"]) });

type Step = OldStep & { dependsOn: string[]; attempts: number };

export function compileDependencies(document: Fields): Migrated {
  const steps = Object.entries(fieldsOf(document["steps"]) ?? {}).map(([id, raw]): Step => {
    const {
      type,
      input,
      depends_on: dependsOn,
      max_retries: retried,
    } = Depending.catch({ type: "", input: {}, depends_on: [], max_retries: 3 }).parse(raw);
    return { id, type, label: id, config: input, dependsOn: [...new Set(dependsOn)], attempts: Math.min(retried + 1, LIMITS.attempts) };
  });
  const edges = steps.flatMap(({ id, dependsOn }) => dependsOn.map((source) => ({ id: `${source}-${id}`, source, target: id, way: "" })));
  const graph = { ...namesOf(document), steps, edges, defaults: {} };
  const issues = graphProblems(graph);
  if (issues.length > 0) return { definition: undefined, issues, warnings: [] };
  const names = new Names(steps);
  const [start, end] = [names.fresh("start"), names.fresh("end")];
  const made = new Map<string, Made>();
  let size = 0;
  for (const step of steps) {
    const one = compileStep(step, names);
    made.set(step.id, one);
    size += JSON.stringify(one.nodes).length;
    if (size > LIMITS.bodyBytes) return tooLarge(step.id);
  }
  const of = (id: string): Made => made.get(id) ?? { nodes: [], result: id, warnings: [] };
  const name = [graph.name, document["id"]].find((known) => typeof known === "string" && known.trim() !== "");
  const results = Object.fromEntries(steps.map(({ id }) => [id, `=steps.${of(id).result}`]));
  const definition: DefinitionInput = {
    version: 2,
    name: typeof name === "string" ? name.trim().slice(0, LIMITS.nameChars) : "Imported workflow",
    nodes: [
      { id: start, type: "start" },
      ...inOrder(graph).flatMap(({ id }) => of(id).nodes),
      { id: end, type: "end", data: { output: { status: "completed", results } } },
    ],
    edges: [
      ...steps.filter(({ dependsOn }) => dependsOn.length === 0).map(({ id }) => edge(start, names.of(id))),
      ...steps.filter(({ id }) => of(id).result !== names.of(id)).map(({ id }) => edge(names.of(id), of(id).result)),
      ...edges.map(({ source, target }) => edge(of(source).result, names.of(target))),
      ...steps.filter(({ id }) => !edges.some(({ source }) => source === id)).map(({ id }) => edge(of(id).result, end)),
    ],
  };
  return { definition, issues: [], warnings: steps.flatMap(({ id }) => of(id).warnings) };
}

const edge = (source: string, target: string): DefinitionInput["edges"][number] => ({ id: `${source}-${target}`, source, target });

/** `result` is the node whose output is the step's. */
type Made = { nodes: Node[]; result: string; warnings: Issue[] };

function compileStep(step: Step, names: Names): Made {
  const { id: old, type, config, dependsOn, attempts } = step;
  const id = names.of(old);
  const base = { id, label: old.slice(0, LIMITS.nameChars) };
  const before = dependsOn.map((dependency) => names.of(dependency));
  const single = (output: Json): Made => ({ nodes: [{ ...base, type: "transform", data: { output } }], result: id, warnings: [] });
  switch (kindOf(type)) {
    case "input":
      return single({
        collected_data: config["data"] === undefined ? "=input" : literal(config["data"]),
        timestamp: "=$now()",
        source: literal(config["source"] ?? "manual"),
      });
    case "process":
      return single({ processed_data: `=${processed(config, before)}` });
    case "output": {
      const destination = typeof config["destination"] === "string" ? config["destination"] : "default";
      return single(literal({ delivery_status: `Delivered to ${destination}`, destination }));
    }
    case "ai": {
      const bag = dataOf(config, before);
      const result = names.fresh(`${id}_answer`);
      const answer: Node = {
        id: result,
        label: `${base.label}: answer`.slice(0, LIMITS.nameChars),
        type: "transform",
        data: { output: { ai_response: answerText(id) } },
      };
      return {
        nodes: [{ ...base, type: "openai_model", data: modelData({ type, config, bag, attempts }), policy: retries(attempts) }, answer],
        result,
        warnings: [],
      };
    }
    default: {
      const message = `The type ${type} is not known; the step passes on what it gets.`;
      const passed = single({ processed_data: `=${dataOf(config, before)}`, warning: message });
      return { ...passed, warnings: [{ path: "", nodeId: old, message }] };
    }
  }
}

/** The step's own data or else, together, what its dependencies have collected and processed. */
function dataOf({ data }: Fields, before: readonly string[]): string {
  if (data !== undefined) return JSON.stringify(data);
  const parts = before.flatMap((id) => [`steps.${id}.collected_data`, `steps.${id}.processed_data`]);
  return parts.length === 0 ? "{}" : `$merge([${parts.join(", ")}])`;
}

function processed(config: Fields, before: readonly string[]): string {
  const rules = z
    .array(Rule.catch({ type: "transform", field: "", operation: "uppercase" }))
    .catch([])
    .parse(config["rules"]);
  const steps = rules
    .filter(({ field }) => field !== "")
    .map(({ field, operation }) => {
      const key = JSON.stringify(field);
      const value = `$lookup($d, ${key})`;
      return `$d := $type(${value}) = "string" ? $merge([$d, {${key}: $${operation}(${value})}]) : $d; `;
    });
  return steps.length === 0 ? dataOf(config, before) : `($d := ${dataOf(config, before)}; ${steps.join("")}$d)`;
}
