import { z } from "zod";
import type { ImportFormat } from "#contract/mcp/import.ts";
import { pair, unreadable } from "./command-line.ts";
import { readEntry, type Entry } from "./entry.ts";
import { readMcpAdd } from "./mcp-add.ts";
import { nameOfAddress, nameOfCommand } from "./names.ts";
import { readJson } from "./read-json.ts";

type Read = { format: ImportFormat; entries: Entry[]; inputs?: unknown };
const PATH = "document";

const WithInputs = z.looseObject({ inputs: z.array(z.unknown()).optional().catch(undefined) });
const text = z.string().min(1).optional().catch(undefined);
const Telling = z.object({ name: text, command: text, url: text, serverUrl: text, httpUrl: text, args: z.array(z.string()).catch([]) });

/** What a command line means: one that adds a server to another program, or one that starts a server. */
export function entriesOfCommand(words: readonly string[]): Read {
  const [first = "", ...rest] = words[0] === "$" || words[0] === "%" ? words.slice(1) : words;
  const added = readMcpAdd([first, ...rest]);
  if (added !== undefined) return added;
  if (rest.some((word) => /^--add-mcp(=|$)/.test(word))) return codeAdd(rest);
  return { format: "command", entries: [startCommand([first, ...rest])] };
}

/** `NAME=value … command arguments`. */
function startCommand(words: readonly string[]): Entry {
  const at = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  const [command, ...args] = at === -1 ? [] : words.slice(at);
  if (command === undefined) throw unreadable("the command line holds no command");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(command))
    throw unreadable("an address is no command", "Give the address alone, or the command that starts the server.");
  const env = Object.fromEntries(words.slice(0, at).map((word) => pair(word, "=")));
  return readEntry(nameOfCommand(command, args), PATH, { command, args, env });
}

/** `code --add-mcp '<json>'`, also several times. */
function codeAdd(words: readonly string[]): Read {
  const inputs: unknown[] = [];
  const entries = words.flatMap((word, i) => {
    const json = word === "--add-mcp" ? words[i + 1] : /^--add-mcp=(.*)$/s.exec(word)?.[1];
    if (json === undefined) return [];
    const raw = readJson(json);
    if (typeof raw !== "object" || raw === null) throw unreadable("`--add-mcp` takes a JSON object");
    const { inputs: declared, ...server } = WithInputs.parse(raw);
    inputs.push(...(declared ?? []));
    return [readEntry(keyOf(server), PATH, server)];
  });
  if (entries.length === 0) throw unreadable("`--add-mcp` takes a JSON object");
  return { format: "code_add_mcp", entries, inputs };
}

/** The name that a server brings itself, or one after what it runs. */
export function keyOf(server: object): string {
  const { name, command, args, url, serverUrl, httpUrl } = Telling.parse(server);
  if (name !== undefined) return name;
  return command === undefined ? nameOfAddress(url ?? serverUrl ?? httpUrl ?? "") : nameOfCommand(command, args);
}
