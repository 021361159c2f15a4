/*
 * Lines that add a server to another program: `<program> mcp add …`. Each program's options are data; a line of a program that is
 * not known here is refused, never taken for the command that starts a server.
 */
import type { ImportFormat } from "#contract/mcp/import.ts";
import { commandName } from "../registration/runners.ts";
import { pair, unreadable } from "./command-line.ts";
import { readEntry, type Entry } from "./entry.ts";
import { readJson } from "./read-json.ts";

/** What an option means. `variables` takes several words; `flag` takes none; of what is ignored, the preview tells that. */
type Meaning = "transport" | "variable" | "variables" | "header" | "address" | "token" | "description" | "scope" | "ignored" | "flag";

type Syntax = {
  format: ImportFormat;
  options: Readonly<Record<string, Meaning>>;
  /** Whether all that follows the command belongs to it; otherwise options of the program may stand there. */
  commandIsLast: boolean;
  /** What is no option of the program: an argument of the server, or a mistake. */
  unknown: "argument" | "refused";
};

const SYNTAXES: Readonly<Record<string, Syntax>> = {
  // claude mcp add [options] <name> <command or address> [arguments]
  claude: {
    format: "claude_mcp_add",
    options: {
      "-t": "transport",
      "--transport": "transport",
      "-e": "variables",
      "--env": "variables",
      "-H": "header",
      "--header": "header",
      "-s": "scope",
      "--scope": "scope",
      "--callback-port": "scope",
      "--client-id": "scope",
    },
    commandIsLast: true,
    unknown: "refused",
  },
  // codex mcp add <name> [--env NAME=VALUE] (--url <address> | [--] <command> [arguments])
  codex: {
    format: "codex_mcp_add",
    options: { "--env": "variable", "--url": "address", "--bearer-token-env-var": "token", "-c": "scope", "--config": "scope" },
    commandIsLast: true,
    unknown: "refused",
  },
  // gemini mcp add [options] <name> <command or address> [arguments], with options anywhere
  gemini: {
    format: "gemini_mcp_add",
    options: {
      "-t": "transport",
      "--transport": "transport",
      "--type": "transport",
      "-e": "variable",
      "--env": "variable",
      "-H": "header",
      "--header": "header",
      "--description": "description",
      "-s": "scope",
      "--scope": "scope",
      "--timeout": "ignored",
      "--include-tools": "ignored",
      "--exclude-tools": "ignored",
      "--trust": "flag",
    },
    commandIsLast: false,
    unknown: "argument",
  },
};

/** What such a line adds; undefined when it is none. */
export function readMcpAdd(words: readonly string[]): { format: ImportFormat; entries: Entry[] } | undefined {
  const at = words.findIndex((word, i) => i > 0 && word === "mcp" && /^add(-|$)/.test(words[i + 1] ?? ""));
  if (at === -1) return undefined;
  const [program, how = ""] = [commandName(words[0] ?? ""), words[at + 1]];
  const rest = words.slice(at + 2);
  const syntax = at === 1 && Object.hasOwn(SYNTAXES, program) ? SYNTAXES[program] : undefined;
  const line = `\`${program} mcp ${how}\``;
  if (syntax !== undefined && how === "add") return { format: syntax.format, entries: [readLine(syntax, line, rest)] };
  if (syntax !== undefined && program === "claude" && how === "add-json")
    return { format: syntax.format, entries: [readJsonLine(syntax, line, rest)] };
  const known = Object.keys(SYNTAXES).map((one) => `${one} mcp add`);
  throw unreadable(
    `${words
      .slice(0, at + 2)
      .join(" ")
      .slice(0, 100)} adds a server to another program in a way that is not known here`,
    `Give the address of the server, or the command that starts it; known are \`${known.join("`, `")}\` and \`claude mcp add-json\`.`,
  );
}

type Read = { transport: string; env: [string, string][]; headers: [string, string][]; more: Record<string, string>; words: string[] };

function readLine(syntax: Syntax, line: string, words: readonly string[]): Entry {
  const end = words.indexOf("--");
  const [before, command] = end === -1 ? [words, []] : [words.slice(0, end), words.slice(end + 1)];
  const read = readOptions(syntax, line, before);
  const [key, ...rest] = read.words;
  const [target, ...args] = [...rest, ...command];
  if (key === undefined) throw unreadable(`${line} takes a name first`);
  const { url, ...more } = read.more;
  const env = Object.fromEntries(read.env);
  const headers = Object.fromEntries(read.headers);
  if (url !== undefined) return readEntry(key, "document", { ...more, url, headers, ...(target !== undefined && { command: target }) });
  if (target === undefined) throw unreadable(`${line} takes a name, then a command or an address`);
  const isAddress = read.transport !== "stdio" || (command.length === 0 && isUrl(target));
  if (isAddress) return readEntry(key, "document", { ...more, url: target, type: read.transport, headers });
  return readEntry(key, "document", { ...more, command: target, args, env });
}

const isUrl = (word: string): boolean => /^https?:\/\//.test(word);

function readOptions({ options, commandIsLast, unknown }: Syntax, line: string, words: readonly string[]): Read {
  const read: Read = { transport: "stdio", env: [], headers: [], more: {}, words: [] };
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? "";
    const [option, attached] = splitOption(word);
    const meaning = Object.hasOwn(options, option) ? options[option] : undefined;
    const [, second] = read.words;
    const isOver = commandIsLast && second !== undefined && read.transport === "stdio" && !isUrl(second);
    if (isOver || !option.startsWith("-") || (meaning === undefined && unknown === "argument")) read.words.push(word);
    else if (meaning === undefined) throw unreadable(`${line} has no option ${option} that is known here`);
    else {
      const value = meaning === "flag" ? "true" : (attached ?? words[(i += 1)] ?? "");
      note(read, { meaning, option, value });
      while (meaning === "variables" && /^[A-Za-z_]\w*=/.test(words[i + 1] ?? "")) read.env.push(pair(words[(i += 1)] ?? "", "="));
    }
  }
  return read;
}

function note(read: Read, { meaning, option, value }: { meaning: Meaning; option: string; value: string }): void {
  if (meaning === "transport") read.transport = value;
  else if (meaning === "variable" || meaning === "variables") read.env.push(pair(value, "="));
  else if (meaning === "header") read.headers.push(pair(value, ":"));
  else if (meaning === "token") read.headers.push(["Authorization", `Bearer \${${value}}`]);
  else if (meaning === "address") read.more["url"] = value;
  else if (meaning === "description") read.more["description"] = value;
  // Where it is kept there says nothing here.
  else if (meaning !== "scope") read.more[option.replace(/^-+/, "")] = value;
}

const splitOption = (word: string): [string, string?] => {
  const [, option, value] = /^(--[\w-]+)=(.*)$/s.exec(word) ?? [];
  return option === undefined || value === undefined ? [word] : [option, value];
};

/** `claude mcp add-json <name> '<json>'`. */
function readJsonLine({ options }: Syntax, line: string, words: readonly string[]): Entry {
  const isScope = (word = ""): boolean => options[word] === "scope";
  const [key, json] = words.filter((word, i) => !isScope(word) && !isScope(words[i - 1]));
  if (key === undefined || json === undefined) throw unreadable(`${line} takes a name, then JSON`);
  return readEntry(key, "document", readJson(json));
}
