/** One statement, lower case with single spaces: once without literals, for looking at its shape, and once with them. */
export type Statement = { shape: string; text: string };

/** What begins a piece of SQL that is not plain code; the earliest match wins. */
const SPECIAL = /--[^\n]*|\/\*|'|"|\$([a-z_][a-z0-9_]*)?\$|;/gi;

/**
 * Splits SQL at its semicolons, leaving out comments and the bodies of dollar quotes. Enough for migrations written by us; a
 * body of the form BEGIN ATOMIC would be split in pieces.
 */
export function readStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  let current: Statement = { shape: "", text: "" };
  const add = (shape: string, text = shape): void => void (current = { shape: current.shape + shape, text: current.text + text });
  const close = (): void => {
    const statement = { shape: tidy(current.shape), text: tidy(current.text) };
    if (statement.shape !== "") statements.push(statement);
    current = { shape: "", text: "" };
  };
  const scan = new RegExp(SPECIAL);
  let position = 0;
  for (let match = scan.exec(sql); match; match = scan.exec(sql)) {
    add(sql.slice(position, match.index));
    const [opening] = match;
    const end = endOf(sql, match.index, opening);
    const piece = sql.slice(match.index, end);
    if (opening === ";") close();
    else if (opening === '"') add(piece);
    else if (opening === "'") add("''", piece);
    else if (opening.startsWith("$")) add("''");
    else add(" ");
    position = end;
    scan.lastIndex = end;
  }
  add(sql.slice(position));
  close();
  return statements;
}

function endOf(sql: string, start: number, opening: string): number {
  if (opening === ";" || opening.startsWith("--")) return start + opening.length;
  if (opening === "/*") return endOfComment(sql, start);
  if (opening.startsWith("$")) return after(sql, opening, start + opening.length);
  // A doubled quotation mark stands for one, and does not end the literal.
  let end = after(sql, opening, start + 1);
  while (sql[end] === opening) end = after(sql, opening, end + 1);
  return end;
}

function endOfComment(sql: string, start: number): number {
  let depth = 0;
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  for (let match = mark.exec(sql); match; match = mark.exec(sql)) {
    depth += match[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return sql.length;
}

function after(sql: string, mark: string, from: number): number {
  const found = sql.indexOf(mark, from);
  return found === -1 ? sql.length : found + mark.length;
}

/** The parts of a list such as the actions of ALTER TABLE: split at commas outside parentheses. */
export function splitList(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "(") depth += 1;
    if (character === ")") depth -= 1;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

const tidy = (text: string): string => text.replaceAll(/\s+/g, " ").trim().toLowerCase();
