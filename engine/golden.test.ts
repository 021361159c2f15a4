import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Definition } from "#contract/definition.ts";
import { EventPayload, JournalEvent } from "#contract/journal.ts";
import { compile, fold } from "./index.ts";

const folder = new URL("golden/", import.meta.url);
const golden = readdirSync(folder).map((name) => {
  const { definition, others = {}, journal, expected } = JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  const plans = new Map(Object.entries(others).map(([version, other]) => [Number(version), compile(Definition.parse(other))]));
  return { name, definition: Definition.parse(definition), plans, journal: JournalEvent.array().parse(journal), expected };
});

/** Journals as they were once written. They are never changed: a build that cannot fold one cannot run what users have. */
describe("golden journals", () => {
  test.each(golden)("$name folds to what it was", ({ definition, plans, journal, expected }) => {
    const state = fold(compile(definition), journal, { plans });
    const steps = Object.fromEntries([...state.steps].map(([key, step]) => [key, step.status]));
    expect({ status: state.status, output: state.output, error: state.error?.code ?? null, steps }).toEqual(expected);
  });

  test("every kind of event is in one of them", () => {
    const seen = new Set(golden.flatMap(({ journal }) => journal.map(({ kind }) => kind)));
    expect(EventPayload.options.map((option) => option.shape.kind.value).filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test("a journal with a gap is refused", () => {
    const [first] = golden;
    const broken = first?.journal.filter(({ seq }) => seq !== 3) ?? [];
    expect(() => fold(compile(Definition.parse(first?.definition)), broken)).toThrow(/goes on with 4, expected 3/);
  });
});
