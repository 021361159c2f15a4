import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventGate } from "./event-gate.ts";

/** What is left of the stream when all of it has been read. */
async function through(...pieces: string[]): Promise<string> {
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece));
  return new Response(ReadableStream.from(bytes).pipeThrough(eventGate(() => {}))).text();
}

const progress = (n: number): string => `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":${n}}}\n\n`;
const changed = (n: number): string => `data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"n":${n}}}\n\n`;
const answer = 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n';

test("what comes at a reasonable rate means the same afterwards, wherever it was cut into pieces", async () => {
  expect(
    await through("event: mess", "age\r\nid: 7\r\nda", "ta: {\ndata: }\n\n: a comment\n\nretry: 5\n", `\n${progress(1)}`, answer),
  ).toBe(`event: message\nid: 7\ndata: {\ndata: }\n\nretry: 5\n\n${progress(1)}${answer}`);
});

test("a letter that is cut in two is whole again", async () => {
  const bytes = new TextEncoder().encode("data: grün\n\n");
  const halves = ReadableStream.from([bytes.subarray(0, 9), bytes.subarray(9)]);
  expect(await new Response(halves.pipeThrough(eventGate(() => {}))).text()).toBe("data: grün\n\n");
});

test("a flood is left out, the answer after it is not", async () => {
  const text = await through(...Array.from({ length: 50_000 }, (_, n) => progress(n)), answer);
  // A second may turn meanwhile.
  expect(text.split("\n\n").length).toBeLessThanOrEqual(3_002);
  expect(text.endsWith(answer)).toBe(true);
});

test("of changes of a list the last one passes, at the latest when the stream ends", async () => {
  expect(await through(...Array.from({ length: 100 }, (_, n) => changed(n)), answer)).toBe(`${answer}${changed(99)}`);
});

test("nothing comes after whoever reads has gone", async () => {
  const source = ReadableStream.from([new TextEncoder().encode(changed(1))]);
  await source.pipeThrough(eventGate(() => {})).cancel();
  await pause(100);
});
