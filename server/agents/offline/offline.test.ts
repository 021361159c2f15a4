import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { AgentEvent, Envelope } from "../agent-port.ts";
import { ChatAnswer } from "../chat-call.ts";
import { classify } from "./classify.ts";
import { OFFLINE_MODEL, offlineModel } from "./extractive.ts";
import { keyPhrases } from "./key-phrases.ts";
import { summarise } from "./summarise.ts";
import { readTask } from "./task.ts";
import { sentences, stem } from "./text.ts";

const LETTER = `# Complaint

Dear Mr. Miller,

the brakes of my car squeal since the repair of 12 October. The workshop replaced the brake pads, but the
brakes squeal again after two days. I paid approx. EUR 300 for the repair of the brakes.

- Order: 50871

The coffee in your waiting room was good. Please repair the brakes or refund the price of the repair.

Kind regards
Osric Pemble`;

const envelope = (content: Json): Envelope => ({
  id: "1",
  tenantId: "t",
  environment: "production",
  to: OFFLINE_MODEL,
  protocol: "openai",
  content,
  idempotencyKey: "k",
  repeatable: true,
  ttlMs: 1_000,
});

async function ask(
  content: Record<string, Json>,
  signal = new AbortController().signal,
): Promise<{ events: AgentEvent[]; answer: ChatAnswer }> {
  const events: AgentEvent[] = [];
  for await (const event of offlineModel.invoke(envelope({ model: OFFLINE_MODEL, ...content }), signal)) events.push(event);
  const last = events.at(-1);
  return { events, answer: ChatAnswer.parse(last?.type === "result" ? last.output : undefined) };
}
const chat = (system: string, user: string): Record<string, Json> => ({
  messages: [
    { role: "system", content: system },
    { role: "user", content: user },
  ],
});

describe("sentences", () => {
  test("joins wrapped lines, keeps abbreviations whole, and tells prose from the rest", () => {
    const all = sentences(LETTER);
    const prose = all.filter((sentence) => sentence.isProse).map((sentence) => sentence.text);
    expect(prose).toHaveLength(5);
    expect(prose[1]).toBe("The workshop replaced the brake pads, but the brakes squeal again after two days.");
    expect(prose[2]).toBe("I paid approx. EUR 300 for the repair of the brakes.");
    expect(all.map((sentence) => sentence.text)).toContain("Complaint");
  });

  test("words with the same stem meet", () => {
    expect(stem("brakes")).toBe(stem("brake"));
    expect(stem("booking")).toBe(stem("booked"));
    expect(stem("batteries")).toBe(stem("battery"));
    expect(stem("bus")).toBe("bus");
  });
});

describe("summaries", () => {
  test("take the asked number of sentences, in their order, and only sentences of the text", () => {
    const { summary, sentences: chosen } = summarise(LETTER, 2);
    expect(chosen).toHaveLength(2);
    expect(summary).toBe(chosen.join(" "));
    for (const sentence of chosen) expect(LETTER.replace(/\s+/g, " ")).toContain(sentence);
    expect(summary).not.toContain("coffee");
  });

  test("are the same each time", () => expect(summarise(LETTER, 3)).toEqual(summarise(LETTER, 3)));

  test("of fragments and of nothing are what there is", () => {
    expect(summarise("Milk\nBread", 3).sentences).toEqual(["Milk Bread"]);
    expect(summarise("", 3)).toEqual({ summary: "", sentences: [] });
  });

  test("of a very long text stay within bounds", () => {
    const long = Array.from({ length: 3_000 }, (_, i) => `The ${i}th customer wrote about the brakes of car number ${i % 7}.`).join(" ");
    expect(summarise(long, 4).sentences).toHaveLength(4);
  });
});

describe("key phrases", () => {
  test("are runs of words between stopwords, best first", () => {
    const phrases = keyPhrases("The brake fluid is low. The brake fluid was changed by the service workshop. A cat slept.", 3);
    expect(phrases).toContain("brake fluid");
    expect(phrases).toHaveLength(3);
  });
});

describe("classification", () => {
  const examples = [
    { label: "complaint", text: "The fault came back, I am disappointed and expect a refund." },
    { label: "thanks", text: "Thank you very much for the friendly service." },
  ];

  test("chooses the label whose examples share most with the text", () => {
    const result = classify("I am very disappointed: the fault is back.", examples);
    expect(result.label).toBe("complaint");
    expect(result.confidence).toBeGreaterThan(0.5);
    expect(Object.values(result.scores).reduce((a, b) => a + b)).toBeCloseTo(1, 2);
  });

  test("admits that it knows nothing", () =>
    expect(classify("zzz", examples)).toMatchObject({ confidence: 0, scores: { complaint: 0, thanks: 0 } }));
});

describe("the task", () => {
  test.each([
    ["Task: summarise in 2 sentences", { kind: "summarise", sentences: 2 }],
    ["You are helpful.\nTask: Summarize", { kind: "summarise", sentences: 3 }],
    ["task: 5 key phrases".replace("5 key phrases", "key phrases 5"), { kind: "key phrases", count: 5 }],
    ["Be brief.", { kind: "summarise", sentences: 3 }],
  ])("is read from %j", (system, task) => {
    const messages = [{ role: "system", content: system } as const, { role: "user", content: "Hello." } as const];
    expect(readTask(messages)).toEqual({ ...task, text: "Hello." });
  });

  test("may stand at the start of a single message, with its examples up to the first empty line", () => {
    const content = "Task: classify\na: red green\nb: blue\nand cyan\n\nIt is blue: really.";
    expect(readTask([{ role: "user", content }])).toEqual({
      kind: "classify",
      examples: [
        { label: "a", text: "red green" },
        { label: "b", text: "blue and cyan" },
      ],
      text: "\nIt is blue: really.",
    });
    expect(readTask([{ role: "user", content: "Task: key phrases\nSome text" }])).toMatchObject({ kind: "key phrases", text: "Some text" });
  });

  test("that it cannot do is refused with what it can do", () => {
    expect(() => readTask([{ role: "system", content: "Task: write a poem" }])).toThrow(/cannot do "write a poem"; it expects/);
    expect(() => readTask([{ role: "system", content: "Task: classify\nonly: one label" }])).toThrow(/at least two labels/);
  });
});

describe("offline/extractive", () => {
  test("answers text, streams it, and counts words honestly", async () => {
    const { events, answer } = await ask(chat("Task: summarise in 2 sentences", LETTER));
    const streamed = events.flatMap((event) => (event.type === "token" ? [event.text] : [])).join("");
    expect(streamed).toBe(answer.text);
    expect(answer).toMatchObject({ json: null, finishReason: "stop", toolCalls: [], usage: { unit: "words" } });
    expect(answer.usage.totalTokens).toBe(answer.usage.promptTokens + answer.usage.completionTokens);
  });

  test("answers JSON of the documented shape when a schema is given", async () => {
    const summary = await ask({ ...chat("Task: summarise in 1 sentence", LETTER), responseSchema: {} });
    expect(summary.answer.json).toEqual(JSON.parse(summary.answer.text));
    expect(summary.answer.json).toHaveProperty("sentences");
    const phrases = await ask({ ...chat("Task: key phrases", LETTER), responseSchema: {} });
    expect(phrases.answer.json).toHaveProperty("phrases");
    const label = await ask({ ...chat("Task: classify\ncomplaint: squeal repair refund\nthanks: thank you", LETTER), responseSchema: {} });
    expect(label.answer.json).toMatchObject({ label: "complaint" });
  });

  test("stops at the asked length", async () => {
    const { answer } = await ask({ ...chat("Task: summarise in 3 sentences", LETTER), maxTokens: 4 });
    expect(answer.text.split(/\s+/)).toHaveLength(4);
    expect(answer.finishReason).toBe("length");
  });

  test("does nothing once cancelled", async () => {
    await expect(ask(chat("Task: key phrases", "x"), AbortSignal.abort(new AppError("step_cancelled", "enough")))).rejects.toMatchObject({
      code: "step_cancelled",
    });
  });
});
