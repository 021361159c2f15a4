import { afterEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { AppError } from "#server/main.ts";
import { explain } from "./explain.ts";

afterEach(() => void vi.restoreAllMocks());

test("what does not fit is said in lines, by where it stands", () => {
  let said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((said += String(text)), true));
  explain(z.object({ launch: z.object({ args: z.array(z.string()) }) }).safeParse({ launch: { args: [1] } }).error);
  expect(said).toMatch(/^.*does not fit.*\n {2}launch\.args\[0\]: .*expected string, received number\n$/);
});

test("an error that quotes a server does not steer the terminal", () => {
  let said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((said += String(text)), true));
  const field = "content.\u009b2Ja\u0007\u202eb";
  explain(new AppError("request_invalid", `${field} is required`, { issues: [{ path: field, message: "c\u0000" }], remedy: "d\u0008" }));
  expect(said).toContain("content.⟦U+009B⟧2Ja⟦U+0007⟧⟦U+202E⟧b is required");
  expect(said).toContain("  content.⟦U+009B⟧2Ja⟦U+0007⟧⟦U+202E⟧b: c⟦U+0000⟧\nd⟦U+0008⟧\n");
});
