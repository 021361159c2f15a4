import { AppError } from "#server/kernel/errors.ts";
import type { ChatMessage } from "../chat-call.ts";
import type { Example } from "./classify.ts";

export type OfflineTask =
  | { kind: "summarise"; sentences: number; text: string }
  | { kind: "key phrases"; count: number; text: string }
  | { kind: "classify"; examples: Example[]; text: string };

const TASK_LINE = /^\s*task:\s*(.+)$/im;
const LABEL_LINE = /^\s*(?:[-*]\s+)?([\p{L}\p{N}][\p{L}\p{N} _-]{0,39}):\s+(\S.*)$/u;
const KNOWN = "`Task: summarise in N sentences`, `Task: key phrases` or `Task: classify` followed by lines `label: example text`";

/**
 * Reads what to do from chat messages. A line `Task: …` in a system message (or, without one, at the start of the first
 * user message) names the task; the last user message is the text it is done to. Without such a line the task is to
 * summarise in 3 sentences, so that any client gets an honest answer.
 */
export function readTask(messages: readonly ChatMessage[]): OfflineTask {
  const text = messages.findLast((message) => message.role === "user")?.content ?? "";
  const instructions = messages
    .filter((message) => message.role === "system")
    .map((message) => message.content)
    .join("\n");
  const task = TASK_LINE.exec(instructions);
  if (task?.[1] !== undefined) return parseTask(task[1], { rest: instructions.slice(task.index + task[0].length), text });
  const [first = "", ...rest] = text.split("\n");
  const inline = TASK_LINE.exec(first);
  if (inline?.[1] === undefined) return { kind: "summarise", sentences: 3, text };
  return parseInline(inline[1], rest);
}

/** In a single message the examples of a classification end at the first empty line. */
function parseInline(task: string, rest: readonly string[]): OfflineTask {
  const gap = rest.findIndex((line) => line.trim() === "");
  const isClassify = /^classif/i.test(task);
  if (!isClassify || gap < 0) return parseTask(task, { rest: rest.join("\n"), text: rest.join("\n") });
  return parseTask(task, { rest: rest.slice(0, gap).join("\n"), text: rest.slice(gap).join("\n") });
}

function parseTask(task: string, { rest, text }: { rest: string; text: string }): OfflineTask {
  const number = Number(/\d{1,3}/.exec(task)?.[0] ?? Number.NaN);
  if (/^summar/i.test(task)) return { kind: "summarise", sentences: within(number, 3, 50), text };
  if (/^key\s?(?:phrases|words)|^keywords/i.test(task)) return { kind: "key phrases", count: within(number, 8, 100), text };
  if (/^classif/i.test(task)) return { kind: "classify", examples: readExamples(rest), text };
  throw new AppError("model_failed", `offline/extractive cannot do "${task.trim().slice(0, 80)}"; it expects ${KNOWN}.`, {
    remedy: "Use one of its tasks, or a language model for anything else.",
  });
}

const within = (value: number, fallback: number, max: number): number =>
  Number.isNaN(value) ? fallback : Math.min(Math.max(value, 1), max);

function readExamples(text: string): Example[] {
  const examples: Example[] = [];
  for (const line of text.split("\n")) {
    const [, label, example] = LABEL_LINE.exec(line) ?? [];
    const last = examples.at(-1);
    if (label !== undefined && example !== undefined) examples.push({ label: label.trim(), text: example });
    else if (last) last.text += ` ${line.trim()}`;
  }
  if (new Set(examples.map((example) => example.label)).size < 2) {
    throw new AppError("model_failed", "A classification needs examples of at least two labels, one per line: `label: example text`.", {
      remedy: "Add the examples after the line `Task: classify`.",
    });
  }
  return examples;
}
