import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { pageOf } from "./exposure.ts";

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `tool-${String(i).padStart(6, "0")}`);
const page = (all: readonly string[], cursor?: string) => pageOf(all, (name) => name, cursor);

describe("mcpListItems", () => {
  test("as many as there may be are one page, the last", () => {
    const all = named(LIMITS.mcpListItems);
    expect(page(all)).toEqual({ items: all });
  });

  test("one more begins the next page; nothing is left out or told twice, also when something goes meanwhile", () => {
    const all = named(LIMITS.mcpListItems + 1);
    const first = page(all);
    expect([first.items.length, first.nextCursor]).toEqual([LIMITS.mcpListItems, expect.any(String)]);
    expect(page(all, first.nextCursor)).toEqual({ items: all.slice(-1) });
    expect(page(all.slice(1), first.nextCursor)).toEqual({ items: all.slice(-1) });
  });

  test("a cursor of nobody's is refused", () => {
    expect(() => page(named(1), "nonsense")).toThrow(expect.objectContaining({ code: "cursor_invalid" }));
  });
});
