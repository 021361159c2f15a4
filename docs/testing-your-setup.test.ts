import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { BROKEN_ANSWERS } from "#test/support/mcp/broken-answers.ts";
import { WAYS_TO_FAIL } from "#test/support/mcp/failing-servers.ts";
import { firstColumn } from "#test/support/mcp/setup-guide.ts";
import { talkTo } from "#test/support/mcp/talk.ts";

const FOLDER = new URL("../test/support/mcp/", import.meta.url);
const textOf = (file: string): string => readFileSync(new URL(file, FOLDER), "utf8");
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].toSorted();
const found = (text: string, pattern: RegExp): string[] => sorted([...text.matchAll(pattern)].map(([, name = ""]) => name));

/** What a fixture of the tests can do, and what the guide says of it: the same names. */
describe("the guide to the servers that misbehave names", () => {
  test("every server", () => {
    const servers = readdirSync(FOLDER).filter((name) => /-servers?\.ts$/.test(name));
    expect(sorted(firstColumn("Testing your setup"))).toEqual(sorted(servers));
  });

  test("every argument of hostile-server.ts", () => {
    expect(sorted(firstColumn("`hostile-server.ts`"))).toEqual(found(textOf("hostile-server.ts"), /\bis\("([\w-]+)"\)/g));
  });

  test("every way of failing-servers.ts", () => {
    expect(sorted(firstColumn("`failing-servers.ts`"))).toEqual(sorted(Object.keys(WAYS_TO_FAIL)));
  });

  test("every argument of runaway-server.ts", () => {
    const [, actions = ""] = /const ACTIONS[^\n]*\n([\s\S]*?)\n\};/.exec(textOf("runaway-server.ts")) ?? [];
    expect(sorted(firstColumn("`runaway-server.ts`"))).toEqual(found(actions, /^ {2}(?:async )?(\w+)(?:\(\)|:)/gm));
  });

  test("every argument of busy-server.ts", () => {
    expect(sorted(firstColumn("`busy-server.ts`"))).toEqual(found(textOf("busy-server.ts"), /modes\.has\("(\w+)"\)/g));
  });

  test("every tool of the servers of chaos", async () => {
    const server = await talkTo({ command: process.execPath, args: [new URL("chaos-server.ts", FOLDER).pathname] });
    const tools = z.array(z.object({ name: z.string() })).parse(await server.listTools(AbortSignal.timeout(10_000)));
    await server.close();
    const [, own = ""] = /const OWN = \[(.*)\]/.exec(textOf("chaos-http-server.ts")) ?? [];
    const names = [...tools.map(({ name }) => name), ...found(own, /"(\w+)"/g), ...Object.keys(BROKEN_ANSWERS)];
    expect(sorted(firstColumn("`chaos-server.ts` and `chaos-http-server.ts`"))).toEqual(sorted(names));
  });
});
