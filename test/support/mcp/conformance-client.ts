/**
 * The platform's own connection to an MCP server, as a program that the official suites' client scenarios can run: its last
 * argument is the address, the scenario is in the environment. It does what a workflow or a person would: lists the tools,
 * calls those that the platform takes, as it knows them, and answers what it is asked.
 */
import { newId } from "#server/kernel/ids.ts";
import { createRedactor } from "#server/secrets/index.ts";
import { asCalled, readTool } from "#server/mcp/catalogue/tool-definition.ts";
import type { Connection } from "#server/mcp/connection/connection.ts";
import type { ConnectDeps } from "#server/mcp/connection/connect-shared.ts";
import { createConnect } from "#server/mcp/connection/connect.ts";
import type { Answers, Ask } from "#server/mcp/connection/open-call.ts";
import type { ServerRecord } from "#server/mcp/registration/server-record.ts";
import { TIMINGS } from "#server/mcp/supervision/timings.ts";

const url = process.argv.at(-1) ?? "";
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const context = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as { toolCalls?: { name: string; arguments: Args }[] };
type Args = Record<string, unknown>;
type Listed = { name: string; inputSchema: { properties?: Record<string, { type?: string }>; required?: string[] } };

const nothing = (): void => {};
const deps = {
  egress: { fetchFor: () => fetch, allow: async () => {} },
  secrets: { read: async () => "" },
  frames: { record: nothing },
  redactor: createRedactor(),
  logs: { add: nothing, drop: nothing, flush: async () => {} },
  newId,
  now: () => new Date(),
  version: "1.0.0",
  timings: { ...TIMINGS, probeMs: 3_000 },
} as unknown as ConnectDeps;
const record = {
  id: newId(),
  tenantId: newId(),
  environment: "production",
  name: "scenario",
  launch: { transport: "http", url, headers: {} },
  settings: {},
  approvedRoots: null,
  launchHash: "hash",
  era: null,
} as unknown as ServerRecord;

/** Accepts every form with the values that it proposes, as somebody does who only presses the button. */
const ask: Ask = async (questions) => {
  const answers = Object.entries(questions).map(([key, question]) => {
    const fields = "requestedSchema" in question ? Object.entries(question.requestedSchema.properties) : [];
    const content = Object.fromEntries(fields.map(([name, field]) => [name, "default" in field ? field.default : proposal(field)]));
    return [key, { action: "accept", content }] as const;
  });
  return Object.fromEntries(answers) as Answers;
};

function proposal({ type }: { type?: string }): unknown {
  if (type === "boolean") return true;
  return type === "number" || type === "integer" ? 1 : "text";
}

const needed = ({ inputSchema: { properties = {}, required = [] } }: Listed): Args =>
  Object.fromEntries(required.map((name) => [name, proposal(properties[name] ?? {})]));

async function callAll(connection: Connection, calls: readonly { name: string; arguments: Args }[]): Promise<void> {
  for (const call of calls)
    await connection
      .callTool({ ...call, ...definitionOf(call.name), timeoutMs: 15_000, ask })
      .catch((error: unknown) => process.stderr.write(`${call.name}: ${String(error)}\n`));
}

const { signal } = new AbortController();
const connection = await createConnect(deps)(record, { signal, onToolsChanged: nothing, file: undefined });
const read = (await connection.listTools(signal)).map((raw) => readTool(raw, connection.instructions));
const definitions = read.flatMap((tool) => ("refused" in tool ? [] : [tool.definition]));
const tools = definitions as Listed[];

function definitionOf(name: string) {
  const found = definitions.find((definition) => definition.name === name);
  return found && { definition: asCalled(found) };
}

if (scenario === "json-schema-2020-12-preservation") {
  const focal = tools.find(({ name }) => name === "json_schema_2020_12_tool");
  await callAll(connection, [{ name: "json_schema_echo", arguments: { schema: focal?.inputSchema } }]);
} else {
  await callAll(connection, context.toolCalls ?? tools.map((tool) => ({ name: tool.name, arguments: needed(tool) })));
}
await connection.close();
process.exit(0);
