import type { TestStage } from "#contract/mcp/tests.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { callFailure } from "../connection/failures.ts";
import type { Connection } from "../connection/connection.ts";
import { compileSchema } from "../connection/validators.ts";
import { asCalled, proposedEffect, type ListedTool } from "../catalogue/tool-definition.ts";
import type { MakeSample } from "./samples.ts";

export type SampleCallOptions = { tool?: string | undefined; arguments?: Record<string, unknown> | undefined };

/** Why a tool may not be called, or nothing. */
export type MayCall = (tool: ListedTool) => AppError | undefined;

type Deps = { makeSample: MakeSample; mayCall: MayCall; redactor: Redactor; timeoutMs: number };
type Outcome = Pick<TestStage, "status" | "detail">;

const LONGEST = 300;

/** Calls one tool, if there is one that may be called. Rejects with the failure's class. */
export async function sampleCall(
  { makeSample, mayCall, redactor, timeoutMs }: Deps,
  { connection, tools, signal }: { connection: Connection; tools: readonly ListedTool[]; signal: AbortSignal },
  options: SampleCallOptions,
): Promise<Outcome> {
  const choice = choose(tools, mayCall, options.tool);
  if ("skipped" in choice) return { status: "skipped", detail: choice.skipped };
  const { name, definition } = choice.tool;
  const isOwn = options.arguments !== undefined;
  const args = options.arguments ?? (await sampleFor(makeSample, choice.tool));
  if (typeof args === "string") return { status: "skipped", detail: args };
  const call = { name, arguments: args, timeoutMs, signal, definition: asCalled(definition) };
  const result = await connection.callTool(call).catch((thrown: unknown) => {
    throw callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
  });
  if (result.isError === true) return saysItFailed(name, isOwn, redactor.text(JSON.stringify(result.content)).slice(0, LONGEST));
  if (definition.outputSchema !== undefined) expectStructure(name, definition.outputSchema, result.structuredContent);
  const shape = definition.outputSchema === undefined ? "" : "; its structured content fits the output schema";
  return { status: "ok", detail: `${name} answered with ${result.content.length} parts${shape}` };
}

type Choice = { tool: ListedTool } | { skipped: string };

function choose(tools: readonly ListedTool[], mayCall: MayCall, wanted: string | undefined): Choice {
  if (wanted !== undefined) {
    const tool = tools.find(({ name }) => name === wanted);
    if (tool === undefined) throw new AppError("mcp_tool_unknown", `The server lists no tool ${wanted}.`);
    const refusal = mayCall(tool);
    if (refusal !== undefined) throw refusal;
    return { tool };
  }
  const readers = tools.filter(({ definition }) => proposedEffect(definition.annotations) === "none");
  const tool = readers.find((reader) => mayCall(reader) === undefined);
  if (tool) return { tool };
  const [first] = readers;
  return { skipped: (first && mayCall(first)?.message) ?? "No tool says of itself that it only reads; name one to have it called." };
}

/** A tool whose schema nobody can fill is not the connection's fault. */
const sampleFor = (makeSample: MakeSample, { name, definition }: ListedTool): Promise<Record<string, unknown> | string> =>
  makeSample
    .arguments(definition.inputSchema)
    .catch((error: unknown) => `No sample for ${name}: ${error instanceof Error ? error.message : String(error)}`);

/** Arguments of the caller's own must work; a generated sample need not make sense to the tool. */
function saysItFailed(name: string, isOwn: boolean, said: string): Outcome {
  if (isOwn) throw new AppError("tool_failed", `The tool ${name} says that it failed: ${said}`);
  return { status: "ok", detail: `${name} was reached, and refused the generated sample: ${said}` };
}

function expectStructure(name: string, schema: object, structured: unknown): void {
  const validate = compileSchema(schema, false);
  if (structured !== undefined && validate(structured)) return;
  const [error] = validate.errors ?? [];
  const found = structured === undefined ? "no structured content" : `${error?.instancePath ?? ""} ${error?.message ?? "another shape"}`;
  throw new AppError("mcp_protocol_error", `The answer of ${name} does not fit its own output schema: ${found}.`, {
    remedy: "Correct the tool's output schema, or what it returns.",
  });
}
