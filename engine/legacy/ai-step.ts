/* A step that asked a model: the call, and a second node that puts its answer into the bag. */
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { PORTS_SOURCE } from "./code-sources.ts";
import { fieldsOf, type Fields } from "./graph.ts";
import { AI_PORTS } from "./step-kinds.ts";
import { fillIn } from "./text.ts";

type Node = DefinitionInput["nodes"][number];
export type AiStep = { type: string; config: Fields; bag: string; attempts: number };

/** `{name}` stands for a value that the step gives by `template_variables`. */
const TEMPLATES: ReadonlyMap<string, string> = new Map([
  ["customer_inquiry", "Answer this customer inquiry: {inquiry}\nContext: {context}"],
  ["lead_qualification", "Qualify this lead: {customer_info}"],
  ["service_recommendation", "Recommend services for the vehicle {vehicle_info}. Concerns: {concerns}"],
  ["generic_processing", "{instructions}\nData: {data}"],
]);
const DEFAULT_MODEL = "gpt-3.5-turbo";
const DEFAULT_PROMPT = "Process this data";

const textOf = (value: Json | undefined): string | undefined => (typeof value === "string" && value.trim() !== "" ? value : undefined);

/** What is asked, still with its placeholders. */
export function promptOf(config: Fields): string {
  const template = TEMPLATES.get(textOf(config["template"]) ?? "");
  if (template === undefined) return textOf(config["prompt"]) ?? textOf(fieldsOf(config["aiPrompt"])?.["prompt"]) ?? DEFAULT_PROMPT;
  const values = fieldsOf(config["template_variables"]) ?? {};
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined ? whole : typeof value === "string" ? value : JSON.stringify(value);
  });
}

/** A model without a provider was one of OpenAI's. */
const modelOf = (name: string): string => (name.includes("/") || !name.startsWith("gpt-") ? name : `openai/${name}`);

export function modelData({ config, bag }: AiStep): Extract<Node, { type: "openai_model" }>["data"] {
  const { model, systemMessage, temperature, maxTokens } = { ...config, ...fieldsOf(config["aiPrompt"]) };
  const system = textOf(systemMessage);
  return {
    model: modelOf(textOf(model) ?? DEFAULT_MODEL),
    messages: [
      ...(system === undefined ? [] : [{ role: "system" as const, content: fillIn(system, bag) }]),
      { role: "system", content: `Data: {{$string(${bag})}}` },
      { role: "user", content: fillIn(promptOf(config), bag) },
    ],
    temperature: typeof temperature === "number" && temperature >= 0 && temperature <= 2 ? temperature : 0.7,
    ...(typeof maxTokens === "number" && Number.isInteger(maxTokens) && maxTokens >= 1 && { maxTokens }),
  };
}

/** Three attempts a second apart, then two: for errors that may go away. */
export const retries = (attempts: number): Node["policy"] => ({ retry: { maxAttempts: attempts, backoffMs: 1_000, factor: 2 } });

/** The text that the node `asked` has answered. */
export const answerText = (asked: string): string => `=steps.${asked}.text`;

type Answered = { id: string; label: string; position?: { x: number; y: number } };

/** What the answer of the node `asked` adds to the bag. */
export function answerNode(step: AiStep, asked: string, base: Answered): Node {
  const { model } = modelData(step);
  const text = answerText(asked);
  const answer = { ai_response: text, ai_model: model, ai_usage: `=steps.${asked}.usage`, processed_data: `=${step.bag}` };
  const key = textOf(step.config["output_key"]);
  const output = key === undefined ? answer : { ...answer, [key]: text };
  const ports = AI_PORTS.get(step.type);
  if (!ports) return { ...base, type: "transform", data: { output } };
  return { ...base, type: "code", data: { source: PORTS_SOURCE, input: { answer: output, ports: [...ports.ports], text: ports.text } } };
}
