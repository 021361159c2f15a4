/** The tables of the guide to the servers that misbehave, so that tests can hold them against the servers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../source-files.ts";

/** The cells of a section's only table, row by row. */
export function tableOf(section: string): string[][] {
  const guide = readFileSync(join(ROOT, "docs/guides/testing-your-setup.md"), "utf8");
  const [, text = ""] =
    guide
      .split(/^#+ /m)
      .map((part) => part.split(/\n([\s\S]*)/))
      .find(([title]) => title === section) ?? [];
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => row.slice(2, -2).split(" | "));
}

/** The names in code of each row's first cell. */
export const firstColumn = (section: string): string[] =>
  tableOf(section).flatMap(([cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
