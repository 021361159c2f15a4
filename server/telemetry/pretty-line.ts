import pc from "picocolors";
import { z } from "zod";

const Line = z.looseObject({ level: z.string(), time: z.string(), message: z.string().default("") });
const COLORS: Readonly<Record<string, (text: string) => string>> = { debug: pc.dim, info: pc.green, warn: pc.yellow, error: pc.red };

/** One JSON log line as a person reads it: time, level, message, then the fields. */
export function prettyLine(line: string): string {
  const parsed = Line.safeParse(JSON.parse(line));
  if (!parsed.success) return line;
  const { level, time, message, ...fields } = parsed.data;
  const color = COLORS[level] ?? String;
  const shown = Object.entries(fields).map(([name, value]) => `${pc.dim(`${name}=`)}${printable(value)}`);
  const head = `${pc.dim(time.slice(11, 19))} ${color(level.padEnd(5))} ${plain(message)}`;
  return `${[head, ...shown].join(" ")}\n`;
}

const printable = (value: unknown): string => {
  if (isError(value)) return plain(value.stack ?? value.message, "\n");
  return plain(typeof value === "string" ? value : JSON.stringify(value));
};

const isError = (value: unknown): value is { message: string; stack?: string } =>
  typeof value === "object" && value !== null && "message" in value && typeof value.message === "string" && "type" in value;

/** Text from anywhere must not move the cursor, change colours, turn its direction or begin a line, except where lines are meant. */
function plain(text: string, allowed = ""): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (c) => (c === allowed ? c : escaped(c)));
}

const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
