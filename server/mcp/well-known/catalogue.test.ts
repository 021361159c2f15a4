import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Launch } from "#contract/mcp/servers.ts";
import { WellKnownServer } from "#contract/mcp/well-known.ts";
import { textsOf } from "../formats/input-fields.ts";
import { variablesIn } from "../formats/variables.ts";
import { launchIssues } from "../registration/launch-rules.ts";
import { launchWarnings } from "../registration/launch-warnings.ts";
import { planImport } from "../registration/plan-import.ts";
import { launchOf, pageWellKnown, searchWellKnown, wellKnown } from "./catalogue.ts";

const all = searchWellKnown();
const draftOf = (id: string): Launch => {
  const known = wellKnown(id);
  if (!known) throw new Error(`no ${id}`);
  return launchOf(known.launch);
};

describe("the catalogue of well-known servers", () => {
  test("holds many, each once, each whole", () => {
    expect(all.length).toBeGreaterThanOrEqual(25);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    for (const server of all) expect(WellKnownServer.parse(server)).toEqual(server);
    for (const { description, title } of all) expect([description.endsWith("."), title.trim()]).toEqual([true, title]);
    expect(all.filter(({ bundled }) => bundled).map(({ id }) => id)).toEqual(["filesystem", "memory", "everything"]);
  });

  test.each(all)("$id asks for exactly what its launch needs, and comes out as a launch that may be registered", ({ id, inputs }) => {
    const draft = draftOf(id);
    const used = new Set(textsOf(draft).flatMap((text) => variablesIn(text).map((variable) => variable.id)));
    expect([...used].sort()).toEqual(inputs.map((input) => input.id).sort());
    const values = Object.fromEntries(inputs.map(({ id: input }) => [input, "/given"]));
    for (const given of [values, Object.fromEntries(inputs.filter(({ required }) => required).map(({ id: input }) => [input, "/given"]))]) {
      const entry = { key: id, path: id, draft, description: "", isDisabled: false, ignored: [], errors: [] };
      const [planned] = planImport(
        { format: "server", entries: [entry], inputs },
        { onClash: "fail", inputs: given },
        { servers: new Set(), secrets: new Set() },
      );
      expect(planned).toMatchObject({ errors: [], inputs: [] });
      const launch = Launch.parse(planned?.launch);
      expect(textsOf(launch).filter((text) => text.includes("${"))).toEqual([]);
      expect(launchIssues(launch)).toEqual([]);
    }
  });

  test("what it downloads has its version, but a container", () => {
    const unpinned = all.filter(({ id }) =>
      launchWarnings(draftOf(id)).some(({ code }) => ["unpinned_package", "remote_code"].includes(code)),
    );
    expect(unpinned.map(({ id }) => id)).toEqual(["github-docker"]);
  });

  test("what comes with the platform is there", () => {
    for (const id of ["filesystem", "memory", "everything"]) {
      const draft = draftOf(id);
      expect(draft).toMatchObject({ command: process.execPath });
      expect(existsSync(draft.transport === "stdio" ? (draft.args[0] ?? "") : "")).toBe(true);
    }
  });

  test("is read a page at a time", () => {
    const first = pageWellKnown({ limit: 30 });
    const second = pageWellKnown({ limit: 30, cursor: first.nextCursor ?? "" });
    expect([...first.items, ...second.items]).toEqual(all);
    expect(second.nextCursor).toBeNull();
    expect(() => pageWellKnown({ limit: 1, cursor: "x" })).toThrow(expect.objectContaining({ code: "cursor_invalid" }));
  });

  test("is searched by words", () => {
    const ids = (q: string): string[] => searchWellKnown(q).map(({ id }) => id);
    expect(ids("GitHub")).toEqual(expect.arrayContaining(["github", "github-docker"]));
    expect(ids("jira confluence")).toEqual(["atlassian"]);
    expect(ids("  ")).toHaveLength(all.length);
    expect(ids("nothing like it")).toEqual([]);
  });
});
