import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failuresTable } from "./failures-table.ts";

test("the guide's table of failures is the contract's", () => {
  const guide = readFileSync(new URL("guides/mcp-servers.md", import.meta.url), "utf8");
  expect(guide).toContain(`\n${failuresTable()}\n`);
});
