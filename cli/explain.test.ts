import { stripVTControlCharacters } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { AppError } from "#server/main.ts";
import { explain } from "./explain.ts";

afterEach(() => void vi.restoreAllMocks());

function saidOf(error: unknown): string {
  let said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((said += stripVTControlCharacters(String(text))), true));
  explain(error);
  return said;
}

test("an error that quotes a server does not steer the terminal", () => {
  const field = "content.\u009b2Ja\u0007\u202eb";
  const issues = [{ path: field, message: "c\u0000" }];
  const said = saidOf(new AppError("request_invalid", `${field} is required`, { issues, remedy: "d\u0008" }));
  expect(said).toContain("content.⟦U+009B⟧2Ja⟦U+0007⟧⟦U+202E⟧b is required");
  expect(said).toContain("  content.⟦U+009B⟧2Ja⟦U+0007⟧⟦U+202E⟧b: c⟦U+0000⟧\nd⟦U+0008⟧\n");
});

test("a platform that does not run is told apart from a wrong address, with what to do", () => {
  const said = saidOf(new TypeError("fetch failed", { cause: new AggregateError([new Error("connect ECONNREFUSED 127.0.0.1:4600")]) }));
  expect(said).toMatch(/^fetch failed\n {2}connect ECONNREFUSED 127\.0\.0\.1:4600\nStart the platform/);
});

test("what does not fit is said in lines, by where it stands", () => {
  const said = saidOf(z.object({ launch: z.object({ args: z.array(z.string()) }) }).safeParse({ launch: { args: [1] } }).error);
  expect(said).toMatch(/^.*does not fit.*\n {2}launch\.args\[0\]: .*expected string, received number\n$/);
});
