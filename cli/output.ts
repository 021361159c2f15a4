import Table from "cli-table3";
import pc from "picocolors";
import { stringify } from "yaml";

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

type Column<T> = readonly [title: string, cell: (row: T) => unknown];

/** Data goes to standard output in the asked format; `columns` say what a table shows of each row. */
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
  for (const row of rows) table.push(columns.map(([, cell]) => printable(cell(row))));
  process.stdout.write(rows.length === 0 ? "" : `${table.toString()}\n`);
}

export function printDocument(value: unknown, format: Format): void {
  process.stdout.write(format === "json" ? `${JSON.stringify(value, null, 2)}\n` : stringify(value));
}

/** Notices go to standard error, so that data can be piped. */
export function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What a command is about goes to standard output. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line without control characters: what a server or agent says must not steer the terminal. */
export function printable(value: unknown): string {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (char) => (char === "\n" || char === "\t" ? " " : "\ufffd"));
}
