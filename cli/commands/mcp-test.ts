import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { CheckFinding, ServerTest } from "#contract/mcp/tests.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { notice, printDocument, printList, printable, say, shortened, type Format } from "../output.ts";
import { serverNamed } from "./mcp-server.ts";

type TestOptions = { tool?: string; arguments?: string[]; output: Format };

const Arguments = z.record(z.string(), Json);

/** Prints the stages, and what to do when one has failed. Resolves with the exit code. */
export async function testServer(client: Client, name: string, { tool, arguments: given, output }: TestOptions): Promise<number> {
  const { id } = await serverNamed(client, name);
  const args = given === undefined ? {} : { arguments: Arguments.parse(readInput(given)) };
  const test = await client.testMcpServer({ params: { id }, body: { ...(tool !== undefined && { tool }), ...args } });
  if (output === "table") printTest(name, test);
  else printDocument(test, output);
  return test.ok ? 0 : 1;
}

function printTest(name: string, test: ServerTest): void {
  printList(test.stages, "table", [
    ["STAGE", ({ stage }) => stage],
    ["STATUS", ({ status }) => status],
    ["MS", ({ ms }) => ms],
    ["DETAIL", ({ detail }) => shortened(detail, 100)],
  ]);
  const { failure } = test;
  if (failure === null) say(`${name} works: protocol ${test.protocolVersion ?? "unknown"}, ${test.toolCount} tools, ${test.ms} ms.`);
  else {
    say(`\n${name} failed at ${failure.stage} with ${failure.code}: ${printable(failure.message)}`);
    say(`Cause:  ${printable(failure.cause)}`);
    say(`Remedy: ${printable(failure.remedy)}`);
    printEvidence(failure.evidence);
  }
  for (const finding of test.findings) notice(lineOf(finding));
}

function printEvidence({ stderr, output, exit, http, error }: NonNullable<ServerTest["failure"]>["evidence"]): void {
  const seen = {
    exit,
    error,
    http:
      http &&
      `${http.status} ${Object.entries(http.headers)
        .map(([header, value]) => `${header}: ${value}`)
        .join("; ")}`,
    body: http && shortened(http.body, 200),
    output,
    stderr: stderr?.slice(-500),
  };
  for (const [what, text] of Object.entries(seen)) if (text) say(`  ${what}: ${printable(text)}`);
}

/** Prints what would keep the server from working, without starting it. Resolves with the exit code. */
export async function checkServer(client: Client, name: string, output: Format): Promise<number> {
  const { id } = await serverNamed(client, name);
  const { ok, findings } = await client.checkMcpServer({ params: { id } });
  const shown = findings.length > 0 || output !== "table";
  if (shown) printFindings(findings, output);
  if (ok && output === "table") say(`Nothing keeps ${name} from starting, as far as can be known without starting it.`);
  return ok ? 0 : 1;
}

const printFindings = (findings: readonly CheckFinding[], output: Format): void =>
  printList(findings, output, [
    ["WHERE", ({ path }) => path],
    ["SEVERITY", ({ severity }) => severity],
    ["CODE", ({ code }) => code],
    ["WHAT", ({ message }) => message],
    ["REMEDY", ({ remedy }) => remedy],
  ]);

const lineOf = ({ path, code, message, remedy }: CheckFinding): string =>
  `Found at ${path}: ${code}: ${printable(message)} ${printable(remedy)}`;
