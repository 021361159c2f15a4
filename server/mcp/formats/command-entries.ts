import { z } from "zod";
import type { ImportFormat } from "#contract/mcp/import.ts";
import { AppError } from "#server/kernel/errors.ts";
import { commandName } from "../registration/runners.ts";
import { readEntry, type Entry } from "./entry.ts";
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
  const name = commandName(first);
  if (name === "claude" && rest[0] === "mcp" && rest[1] === "add") return { format: "claude_mcp_add", entries: [claudeAdd(rest.slice(2))] };
  if (name === "claude" && rest[0] === "mcp" && rest[1] === "add-json")
    return { format: "claude_mcp_add", entries: [claudeAddJson(rest.slice(2))] };
  if (rest.some((word) => /^--add-mcp(=|$)/.test(word))) return codeAdd(rest);
  return { format: "command", entries: [startCommand([first, ...rest])] };
}

/** `NAME=value … command arguments`. */
function startCommand(words: readonly string[]): Entry {
  const at = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  const [command, ...args] = at === -1 ? [] : words.slice(at);
  if (command === undefined) throw unreadable("the command line holds no command");
  const env = Object.fromEntries(words.slice(0, at).map((word) => pair(word, "=")));
  return readEntry(nameOfCommand(command, args), PATH, { command, args, env });
}

type Options = { transport: string; env: [string, string][]; headers: [string, string][]; words: string[]; command: string[] };
const SKIPPED = new Set(["-s", "--scope", "--callback-port", "--client-id"]);

/** `claude mcp add [options] <name> <command or address> [arguments]`; what follows `--` is the command, untouched. */
function claudeAdd(words: readonly string[]): Entry {
  const options = claudeOptions(words);
  const [key, ...positional] = options.words;
  const [target, ...args] = [...positional, ...options.command];
  if (key === undefined || target === undefined) throw unreadable("`claude mcp add` takes a name, then a command or an address");
  const isAddress = options.transport !== "stdio" || (options.command.length === 0 && /^https?:\/\//.test(target));
  if (isAddress) return readEntry(key, PATH, { url: target, type: options.transport, headers: Object.fromEntries(options.headers) });
  return readEntry(key, PATH, { command: target, args, env: Object.fromEntries(options.env) });
}

function claudeOptions(words: readonly string[]): Options {
  const end = words.indexOf("--");
  const before = end === -1 ? words : words.slice(0, end);
  const read: Options = { transport: "stdio", env: [], headers: [], words: [], command: end === -1 ? [] : words.slice(end + 1) };
  for (let i = 0; i < before.length; i += 1) {
    const [option, attached] = splitOption(before[i] ?? "");
    const value = (): string => attached ?? before[(i += 1)] ?? "";
    const isOver = read.words.length >= 2 && read.transport === "stdio" && !/^https?:/.test(read.words[1] ?? "");
    if (isOver || !option.startsWith("-")) read.words.push(before[i] ?? "");
    else if (option === "-t" || option === "--transport") read.transport = value();
    else if (option === "-e" || option === "--env") {
      read.env.push(pair(value(), "="));
      while (/^[A-Za-z_]\w*=/.test(before[i + 1] ?? "")) read.env.push(pair(before[(i += 1)] ?? "", "="));
    } else if (option === "-H" || option === "--header") read.headers.push(pair(value(), ":"));
    else if (SKIPPED.has(option)) value();
    else throw unreadable(`\`claude mcp add\` has no option ${option} that is known here`);
  }
  return read;
}

const splitOption = (word: string): [string, string?] => {
  const [, option, value] = /^(--[\w-]+)=(.*)$/s.exec(word) ?? [];
  return option === undefined || value === undefined ? [word] : [option, value];
};

/** `claude mcp add-json <name> '<json>'`. */
function claudeAddJson(words: readonly string[]): Entry {
  const plain = words.filter((word, i) => !SKIPPED.has(word) && !SKIPPED.has(words[i - 1] ?? ""));
  const [key, json] = plain;
  if (key === undefined || json === undefined) throw unreadable("`claude mcp add-json` takes a name, then JSON");
  return readEntry(key, PATH, readJson(json));
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

function pair(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  if (at < 1) throw unreadable(`expected a name and a value with ${separator} between them; got ${text.slice(0, 40)}`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

const unreadable = (message: string): AppError =>
  new AppError("request_invalid", `The command line cannot be read: ${message}.`, { issues: [{ path: PATH, message }] });
