import { existsSync } from "node:fs";
import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { ImportMcpServers, PreviewedServer } from "#contract/mcp/import.ts";
import type { Client } from "#sdk/client.ts";
import { readDocument, readText } from "../definition-file.ts";
import { notice, printDocument, printList, printable, type Format } from "../output.ts";
import { tellServer } from "./mcp-server.ts";

type ImportOptions = {
  preview?: boolean;
  only?: string[];
  input?: string[];
  env?: "production" | "test";
  onClash?: ImportMcpServers["onClash"];
  start?: boolean;
  output: Format;
};

/** `what` is a file in any of the known formats, an address, or the command line that starts a server. Resolves with the exit code. */
export async function importServers(client: Client, what: string, options: ImportOptions): Promise<number> {
  const body = {
    document: documentOf(what),
    inputs: Object.fromEntries((options.input ?? []).map(readPair)),
    ...(options.only && { entries: options.only.map(readEntry) }),
    ...(options.env && { environment: options.env }),
    ...(options.onClash && { onClash: options.onClash }),
    ...(options.start === false && { start: false }),
  };
  if (options.preview) return preview(client, body, options.output);
  const imported = await client.importMcpServers({ body });
  const codes = imported.items.map((server) => tellServer(server, "table"));
  for (const name of imported.skipped) notice(`${name} was there already.`);
  if (options.output !== "table") printDocument(imported, options.output);
  return Math.max(0, ...codes);
}

/** Ends with 1 when something is wrong with the document, with which no import of it could go on. */
async function preview(client: Client, body: z.input<typeof ImportMcpServers>, output: Format): Promise<number> {
  const found = await client.previewMcpImport({ body });
  if (output === "table") printPreview(found);
  else printDocument(found, output);
  return found.items.some(({ errors }) => errors.length > 0) ? 1 : 0;
}

function printPreview(found: Awaited<ReturnType<Client["previewMcpImport"]>>): void {
  printList(found.items, "table", [
    ["KEY", (server) => server.key],
    ["NAME", (server) => (server.clash ? `${server.name} (taken)` : server.name)],
    ["STARTS", startOf],
    ["SECRETS", (server) => server.secrets.map(({ at, name }) => `${at} as ${name}`).join(", ")],
    ["ASKS FOR", (server) => server.inputs.join(", ")],
    ["WARNINGS", (server) => server.warnings.map(({ code }) => code).join(", ")],
    ["ERRORS", (server) => server.errors.map(({ path, message }) => `${path}: ${message}`).join("; ")],
  ]);
  for (const { id, description, required } of found.inputs)
    notice(printable(`--input ${id}=…  ${description}${required ? "" : " (optional)"}`));
}

function startOf({ launch }: PreviewedServer): string {
  if (launch === null) return "";
  return launch.transport === "http" ? launch.url : [launch.command, ...launch.args].join(" ");
}

const Members = z.record(z.string(), Json);

/** JSON is read by the platform, which knows the dialects; YAML here. */
function documentOf(what: string): string | z.infer<typeof Members> {
  if (!existsSync(what)) {
    if (/^\S+\.(json|jsonc|ya?ml)$/.test(what) && !/^https?:/.test(what)) throw new Error(`There is no file ${what}.`);
    return what;
  }
  return /\.ya?ml$/.test(what) ? Members.parse(readDocument(what)) : readText(what);
}

export function readPair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`Expected id=value; got ${text}.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `key` or `key=name`. */
function readEntry(text: string): { key: string; name?: string } {
  const at = text.lastIndexOf("=");
  return at < 1 ? { key: text } : { key: text.slice(0, at), name: text.slice(at + 1) };
}
