import { expect, test } from "vitest";
import { sourceFiles } from "./support/source-files.ts";
import { ELSEWHERE, THREAT_IDS } from "./support/threat-ids.ts";

/** Of the threat corpus each row is a test: its id is in the test's name, or in the data that the test runs over. */
const NAMED = /\b[SNMT]-\d{2}\b/g;
const bare = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(?:^|\s)\/\/ .*$/gm, "");
const tests = sourceFiles().filter(({ path }) => path.endsWith(".test.ts"));
const named = new Set(tests.flatMap(({ text }) => bare(text).match(NAMED) ?? []));

test("each row of the threat corpus is in a test's name or data, or there is a reason why not", () => {
  expect(THREAT_IDS.filter((id) => !named.has(id) && ELSEWHERE[id] === undefined)).toEqual([]);
});

test("a row that has a test needs no reason, and no test names a row that is not there", () => {
  expect(Object.keys(ELSEWHERE).filter((id) => named.has(id) || !THREAT_IDS.includes(id))).toEqual([]);
  expect([...named].filter((id) => !THREAT_IDS.includes(id))).toEqual([]);
});
