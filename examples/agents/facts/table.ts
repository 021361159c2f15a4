/** One line of a document that is a row of a table or an entry of a list: its cells, without marks of emphasis. */
export type Row = { cells: Cell[] };
export type Cell = { text: string; heading: string; index: number };

const RULE = /^[\s|:+=-]+$/;

/**
 * The rows of Markdown tables, of tables laid out with spaces, and of lists `- label: value`. `null` stands for prose
 * between them: what it separates does not belong together.
 */
export function readRows(text: string): (Row | null)[] {
  const rows: (Row | null)[] = [];
  let headings: readonly string[] = [];
  let offset = 0;
  for (const line of text.split("\n")) {
    const cells = cellsOf(line, offset);
    offset += line.length + 1;
    if (RULE.test(line) || line.trim() === "") continue;
    if (cells.length < 2) {
      headings = [];
      rows.push(null);
      continue;
    }
    const isHeading =
      line.trimStart().startsWith("|") &&
      !cells.some(({ text }) => /\d[.,]\d{2}\b/.test(text)) &&
      cells.some(({ text }) => /[A-Z]{3}|[€$£]/.test(text));
    if (isHeading) headings = cells.map(({ text }) => text);
    rows.push({ cells: cells.map((cell, i) => ({ ...cell, heading: headings[i] ?? "" })) });
  }
  return rows;
}

export const tableCells = (text: string): Cell[] => readRows(text).flatMap((row) => row?.cells ?? []);

function cellsOf(line: string, offset: number): Cell[] {
  const isTable = line.trimStart().startsWith("|");
  const bullet = /^\s*[-*+•]\s+(.*?):\s+(\S.*)$/.exec(line);
  const parts = isTable
    ? line
        .trim()
        .replace(/^\||\|\s*$/g, "")
        .split("|")
    : bullet
      ? bullet.slice(1, 3)
      : columnsOf(line);
  let from = 0;
  return parts.map((part) => {
    const text = part.replace(/\*\*|__|`/g, "").trim();
    const at = Math.max(line.indexOf(text, from), from);
    from = at + text.length;
    return { text, heading: "", index: offset + at };
  });
}

/** A currency may stand apart from its number: those spaces separate no columns. */
function columnsOf(line: string): string[] {
  const joined = line.trim().replace(/((?:[-–]\s*)?(?:US\$|[€$£]|EUR|USD|GBP|CHF))\s+(?=\d)/g, "$1 ");
  return joined.split(/\s{2,}|\t+/);
}
