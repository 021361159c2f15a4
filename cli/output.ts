import Table from "cli-table3";
import pc from "picocolors";
import { Document, Scalar, visit } from "yaml";
import { holdsHidden, replaceHidden, revealUnspelt } from "#contract/hidden-text.ts";

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

type Column<T> = readonly [title: string, cell: (row: T) => unknown];

/** Data goes to standard output in the asked format; `columns` say what a table shows of each row. A table without rows is a notice. */
export function printList<T>(rows: readonly T[], format: Format, columns: readonly Column<T>[]): void {
  if (format !== "table") return printDocument(rows, format);
  const table = new Table({
    head: columns.map(([title]) => pc.bold(title)),
    style: { head: [], border: [], compact: true },
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "  ",
    },
  });
  if (rows.length === 0) return notice("None found.");
  for (const row of rows) table.push(columns.map(([, cell]) => printable(cell(row))));
  process.stdout.write(`${table.toString()}\n`);
}

/** What a pipe or a terminal gets is text without hidden characters that still parses to the same value. */
export function printDocument(value: unknown, format: Format): void {
  process.stdout.write(format === "json" ? `${jsonText(value, 2)}\n` : yamlText(value));
}

/** One of many that come: JSON on a line of its own, YAML as a document of its own. */
export function printItem(value: unknown, format: Exclude<Format, "table">): void {
  process.stdout.write(format === "json" ? `${jsonText(value)}\n` : `---\n${yamlText(value)}`);
}

/** In JSON, all that is hidden is inside of strings; what lies beyond 16 bits is written as two halves there. */
export const jsonText = (value: unknown, indent?: number): string =>
  replaceHidden(JSON.stringify(value, null, indent) ?? "null", (character) =>
    character
      .split("")
      .map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`)
      .join(""),
  );

/** A scalar with hidden characters stands in double quotes, where they can be escaped. */
export function yamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar: (_key, scalar) => {
      if (typeof scalar.value === "string" && holdsHidden(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return replaceHidden(document.toString(), (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  });
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, "0");

/** Notices go to standard error, so that data can be piped. */
export function notice(text: string): void {
  process.stderr.write(`${withoutSteering(text)}\n`);
}

/** What a command is about goes to standard output. */
export function say(text: string): void {
  process.stdout.write(`${withoutSteering(text)}\n`);
}

/** Whoever reads has seen enough, like `head`: what would go on is told to end. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.kill(process.pid, "SIGTERM"));
}

/** One line: what a server or agent says must not steer the terminal, hide in it or begin a line that looks like ours. */
export function printable(value: unknown): string {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
  return revealUnspelt(text.replaceAll(/\r?\n|\t/g, " "));
}

/** The beginning of a text, of so many UTF-16 units at most; no emoji and no letter with its marks is cut in two. */
export const shortened = (text: string, mostChars: number): string =>
  text.length <= mostChars ? text : text.slice(0, new Intl.Segmenter().segment(text).containing(mostChars)?.index);

/** The colours that this program uses itself; of all else that steers a terminal, nothing goes out as it is. */
const ESCAPE = "\u001B";
const COLOURS = new RegExp(`(${ESCAPE}\\[(?:[12]|22|3[1236]|39)m)`);

const withoutSteering = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .split(COLOURS)
    .map((part, i) => (i % 2 === 1 ? part : revealUnspelt(part)))
    .join("");
