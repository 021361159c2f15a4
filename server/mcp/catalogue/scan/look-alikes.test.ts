import { expect, test } from "vitest";
import { skeletonOf } from "./confusables.ts";
import { createLookAlikes } from "./look-alikes.ts";

/** The distance as it is taught, of which one is enough to look alike. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries())
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row.at(-1) ?? 0;
}

test("what looks alike is what a comparison with every name finds", () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const name = (): string => Array.from({ length: 5 + random(3) }, () => "ab1Irn_-"[random(8)]).join("");
  const tools = Array.from({ length: 500 }, () => ({ tool: name() }));
  const alike = createLookAlikes(tools);
  const found = Array.from({ length: 200 }, name).map((one) => {
    const expected = tools.filter(({ tool }) => tool !== one && (distance(tool, one) === 1 || skeletonOf(tool) === skeletonOf(one)));
    expect(alike.of(one)).toEqual(expected);
    return expected.length;
  });
  expect(found.filter((count) => count > 0).length).toBeGreaterThan(50);
});

test("among 5,000 names that begin alike, a thousand are looked for in seconds of work at most", () => {
  const alike = createLookAlikes(Array.from({ length: 5_000 }, (_, i) => ({ tool: `search_invoices_${i}` })));
  const begun = process.cpuUsage();
  for (let i = 0; i < 1_000; i += 1) expect(alike.of(`search_invoice_${i}`)).toEqual([{ tool: `search_invoices_${i}` }]);
  expect(process.cpuUsage(begun).user / 1_000).toBeLessThan(3_000);
});
