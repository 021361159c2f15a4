import { expect, test } from "vitest";
import { createMentions } from "./mentions.ts";
import { skeletonOf } from "./confusables.ts";

const named = (...names: string[]): Set<string> => new Set(names.map(skeletonOf));

test("every text of a definition is looked through, for names in any spelling", () => {
  const mentions = createMentions();
  mentions.learn("h", {
    name: "add",
    description: "Like `deliver`.",
    inputSchema: { properties: { x: { description: "as send-email has it" } } },
  });
  expect([named("send_email"), named("deliver"), named("x_y", "sendEmail")].map((names) => mentions.isAny("h", names))).toEqual([
    true,
    true,
    true,
  ]);
  expect([named("add"), named("has"), new Set<string>()].map((names) => mentions.isAny("h", names))).toEqual([false, false, false]);
  expect(mentions.isAny("unknown", named("send_email"))).toBe(false);
});

test("of more names than are kept, the oldest definitions are forgotten; the newest never is", () => {
  const mentions = createMentions(3);
  mentions.learn("one", "a_1 a_2");
  mentions.learn("two", "b_1");
  mentions.learn("three", "c_1");
  expect(["one", "two", "three"].map((hash) => mentions.has(hash))).toEqual([false, true, true]);
  mentions.learn("four", "d_1 d_2 d_3 d_4");
  expect(["two", "three", "four"].map((hash) => mentions.has(hash))).toEqual([false, false, true]);
});
