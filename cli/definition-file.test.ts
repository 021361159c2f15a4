import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readDocument, readInput } from "./definition-file.ts";

const dir = mkdtempSync(join(tmpdir(), "auterity-cli-"));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

describe("readDocument", () => {
  test("reads JSON and YAML", () => {
    expect(readDocument(file("a.json", '{"version":2}'))).toEqual({ version: 2 });
    expect(readDocument(file("a.yaml", "version: 2\nnodes: [a, b]"))).toEqual({ version: 2, nodes: ["a", "b"] });
  });

  test("says what is wrong with a broken file", () => {
    expect(() => readDocument(file("b.json", "{"))).toThrow(/b\.json is not valid JSON/);
    expect(() => readDocument(file("b.yaml", "a: [1"))).toThrow(/b\.yaml is not valid YAML/);
  });

  test("refuses YAML that grows without end", () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 9 }, () => `*l${i}`).join(",")}]`);
    expect(() => readDocument(file("bomb.yaml", ["l0: &l0 x", ...levels].join("\n")))).toThrow(/alias/i);
  });

  test("refuses a file over the limit", () => {
    expect(() => readDocument(file("big.json", " ".repeat(5 * 1024 * 1024)))).toThrow(/at most/);
  });
});

describe("readInput", () => {
  test("takes JSON, a file or pairs", () => {
    expect(readInput([])).toEqual({});
    expect(readInput(['{"a":1}'])).toEqual({ a: 1 });
    expect(readInput([`@${file("in.json", '{"b":2}')}`])).toEqual({ b: 2 });
    expect(readInput(["folder=/tmp/x", "count=3", "flag=true"])).toEqual({ folder: "/tmp/x", count: 3, flag: true });
  });

  test("names what it cannot read", () => {
    expect(() => readInput(["folder"])).toThrow(/key=value/);
  });
});
