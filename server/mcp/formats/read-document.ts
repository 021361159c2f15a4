import { z } from "zod";
import type { ImportMcpServers } from "#contract/mcp/import.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { entriesOfCommand, keyOf } from "./command-entries.ts";
import { splitCommandLine } from "./command-line.ts";
import { readEntry, type ReadDocument } from "./entry.ts";
import { inputFields } from "./input-fields.ts";
import { nameOfAddress } from "./names.ts";
import { readJson } from "./read-json.ts";

type Given = Pick<ImportMcpServers, "mcpServers" | "servers" | "document" | "inputs">;

/**
 * What a document means, whichever program wrote it. Throws `request_invalid` when it is none of the known formats; what is
 * wrong with single servers is part of the result.
 */
export function readDocument({ mcpServers, servers, document, inputs }: Given): ReadDocument {
  const read = mcpServers
    ? { ...named("mcpServers", mcpServers), inputs }
    : servers
      ? { ...named("servers", servers), inputs }
      : typeof document === "string"
        ? readText(document.trim())
        : readObject(document ?? {});
  const { length } = read.entries;
  if (length === 0) throw unknown("expected at least one server");
  if (length > LIMITS.importedServers) throw unknown(`expected at most ${LIMITS.importedServers} servers; the document has ${length}`);
  return { format: read.format, entries: read.entries, inputs: inputFields(read.entries, read.inputs) };
}

type Read = Omit<ReadDocument, "inputs"> & { inputs?: unknown };

function readText(text: string): Read {
  if (/^[[{/\uFEFF]/.test(text) && !/^\/[^/*]/.test(text)) {
    const value = readJson(text);
    if (isObject(value)) return readObject(value);
    throw unknown("expected a JSON object");
  }
  // A part of a document, as READMEs show it: `"name": {…}`.
  if (/^"(?:[^"\\]|\\.){1,256}"\s*:/.test(text)) return readObject(z.looseObject({}).parse(readJson(`{${text}}`)));
  if (/^https?:\/\/\S+$/i.test(text)) return { format: "url", entries: [readEntry(nameOfAddress(text), "document", { url: text })] };
  if (/^[a-z][a-z0-9+.-]*:\/?\/?\S*$/i.test(text)) throw unknown("expected an address that begins with http:// or https://");
  return entriesOfCommand(splitCommandLine(text));
}

const Wrapped = z.looseObject({ mcpServers: z.record(z.string(), z.unknown()), inputs: z.unknown().optional() });
const VsCode = z.looseObject({ servers: z.record(z.string(), z.unknown()), inputs: z.unknown().optional() });
const Settings = z.looseObject({ mcp: VsCode });
const ADDRESS = ["command", "url", "serverUrl", "httpUrl"] as const;

function readObject(value: object): Read {
  const wrapped = Wrapped.safeParse(value);
  if (wrapped.success) return { ...named("mcpServers", wrapped.data.mcpServers), inputs: wrapped.data.inputs };
  const settings = Settings.safeParse(value);
  const code = settings.success ? settings : VsCode.safeParse(value);
  if (code.success) {
    const { servers, inputs } = settings.success ? settings.data.mcp : VsCode.parse(value);
    return { ...named("servers", servers), inputs };
  }
  if (isServer(value)) return { format: "server", entries: [readEntry(keyOf(value), "document", value)] };
  const members = Object.entries(value);
  if (members.length > 0 && members.every(([, one]) => isObject(one) && isServer(one)))
    return named("document", Object.fromEntries(members));
  throw unknown("expected `mcpServers`, `servers`, or one server with a `command` or a `url`");
}

const named = (root: "mcpServers" | "servers" | "document", servers: Readonly<Record<string, unknown>>): Read => ({
  format: root === "servers" ? "vscode" : "mcpServers",
  entries: Object.entries(servers).map(([key, raw]) => readEntry(key, `${root}.${key}`, raw)),
});

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);
const isServer = (value: object): boolean => ADDRESS.some((name) => name in value);

const unknown = (message: string): AppError =>
  new AppError("request_invalid", `The document cannot be imported: ${message}.`, {
    issues: [{ path: "document", message }],
    remedy: "Give a mcpServers or VS Code document, one server, an address, or the command line that starts a server.",
  });
