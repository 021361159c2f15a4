import { expect, test } from "vitest";
import { withDeadline } from "./deadline.ts";

const never = () => new Promise<string>(() => {});

test("gives the result and leaves no timer behind", async () => {
  const { signal } = new AbortController();
  const onTimeout = (): void => expect.fail("timed out");
  expect(await withDeadline(() => Promise.resolve("done"), { ms: 1, onTimeout, signal })).toBe("done");
  await new Promise((resolve) => setTimeout(resolve, 5));
});

test("ends work that ignores its signal, with the signal's reason", async () => {
  const controller = new AbortController();
  const onTimeout = (): void => controller.abort(new Error("too late"));
  await expect(withDeadline(never, { ms: 1, onTimeout, signal: controller.signal })).rejects.toThrow("too late");
});

test("does not begin after an abort", async () => {
  const work = (): Promise<string> => expect.fail("began");
  await expect(withDeadline(work, { ms: 1, onTimeout: () => {}, signal: AbortSignal.abort(new Error("gone")) })).rejects.toThrow("gone");
});
