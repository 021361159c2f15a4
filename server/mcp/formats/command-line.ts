import { AppError } from "#server/kernel/errors.ts";
import { looksSecret } from "./secret-values.ts";

const OPERATORS = new Set("|&;<>()`");

/**
 * The words of one command line as a POSIX shell would see them, but nothing is ever a shell here: what would start a second
 * program, redirect or compute something is refused with its reason. `$NAME` becomes `${NAME}`, a value to be asked for.
 */
export function splitCommandLine(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length;) {
    const char = text[i] ?? "";
    if (/\s/.test(char)) {
      if (char === "\n" && text.slice(i).trim() !== "") refuse("a second line", "write one command; a long line may end with \\");
      if (word !== undefined) words.push(word);
      word = undefined;
      i += 1;
      continue;
    }
    const [goesOn] = /^\\\r?\n/.exec(text.slice(i, i + 3)) ?? [];
    if (goesOn !== undefined) {
      i += goesOn.length;
      continue;
    }
    if (OPERATORS.has(char)) refuse(char, "write one program and its arguments; quote the character if it is part of one");
    if (char === "#" && word === undefined) refuse("#", "leave the comment out, or quote the word");
    if (word === undefined && /^[A-Za-z]:\\/.test(text.slice(i, i + 3)))
      throw unreadable("a path with \\ has to stand in quotes", "Quote the path: outside of quotes \\ means only the character after it.");
    if (char === "~" && word === undefined) refuse("~", "write the whole path; no shell expands it");
    const read = readPart(text, i);
    word = (word ?? "") + read.text;
    i = read.next;
  }
  return word === undefined ? words : [...words, word];
}

type Part = { text: string; next: number };

function readPart(text: string, at: number): Part {
  switch (text[at]) {
    case "'":
      return readSingle(text, at);
    case '"':
      return readDouble(text, at);
    case "\\":
      if (at + 1 >= text.length) refuse("\\ at the end", "leave it out, or write what follows it");
      return { text: text[at + 1] ?? "", next: at + 2 };
    case "$":
      return readVariable(text, at);
    default:
      return { text: text[at] ?? "", next: at + 1 };
  }
}

function readSingle(text: string, at: number): Part {
  const end = text.indexOf("'", at + 1);
  if (end === -1) refuse("' without its other half", "close the quote");
  return { text: text.slice(at + 1, end), next: end + 1 };
}

function readDouble(text: string, at: number): Part {
  let read = "";
  let i = at + 1;
  while (i < text.length && text[i] !== '"') {
    const char = text[i] ?? "";
    if (char === "`") refuse("`", "write the value itself; nothing is computed");
    if (char === "\\" && /["\\$`\n]/.test(text[i + 1] ?? "")) {
      read += text[i + 1] === "\n" ? "" : (text[i + 1] ?? "");
      i += 2;
    } else if (char === "$") {
      const variable = readVariable(text, i);
      read += variable.text;
      i = variable.next;
    } else {
      read += char;
      i += 1;
    }
  }
  if (i >= text.length) refuse('" without its other half', "close the quote");
  return { text: read, next: i + 1 };
}

function readVariable(text: string, at: number): Part {
  const rest = text.slice(at);
  if (/^\$[('"]/.test(rest)) refuse(rest.slice(0, 2), "write the value itself; nothing is computed");
  const [whole, braced, plain] = /^\$(?:\{([^{}]{0,1200})\}|([A-Za-z_]\w*))/.exec(rest) ?? [];
  if (whole === undefined) return { text: "$", next: at + 1 };
  return { text: plain === undefined ? `\${${braced ?? ""}}` : `\${${plain}}`, next: at + whole.length };
}

function refuse(what: string, how: string): never {
  throw new AppError("request_invalid", `The command line has ${what}, which only a shell could carry out.`, {
    issues: [{ path: "document", message: `expected one command without ${what}`, code: "command_line_refused" }],
    remedy: `No shell is ever started for a server: ${how}.`,
  });
}

/** `NAME=value`, or `Name: value` with spaces around it that mean nothing. */
export function pair(text: string, separator: "=" | ":"): [string, string] {
  const at = text.indexOf(separator);
  const got = looksSecret("", text) ? "a credential" : text.slice(0, 40);
  if (at < 1) throw unreadable(`expected a name and a value with ${separator} between them; got ${got}`);
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  return separator === "=" ? [name, value] : [name.trim(), value.trim()];
}

export const unreadable = (message: string, remedy?: string): AppError =>
  new AppError("request_invalid", `The command line cannot be read: ${message}.`, {
    issues: [{ path: "document", message }],
    ...(remedy !== undefined && { remedy }),
  });
