import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { compile, fold } from "#engine/index.ts";
import { id, triage } from "../testing/entities.ts";
import { FakeServer } from "../testing/fake-server.ts";
import { JournalScript } from "../testing/journal-script.ts";
import { journalQuery } from "./journal.ts";

const run = id(100);

function journalOf(script: JournalScript, pageSize = 3): FakeServer {
  return new FakeServer()
    .answer("getRunJournal", ({ query }) => {
      const after = Number(query.get("after"));
      const items = script.events.slice(after, after + pageSize);
      return { items, nextAfter: after + pageSize < script.events.length ? after + pageSize : null };
    })
    .answer("getWorkflowVersion", { version: 1, hash: "h", createdAt: "", createdBy: "", definition: triage });
}

const shapeOf = (state: ReturnType<typeof fold> | undefined) =>
  JSON.stringify([state?.seq, state?.status, [...(state?.steps.entries() ?? [])]]);
const begun = (): JournalScript =>
  new JournalScript().created(id(10), { folder: "x" }).wait(5).started("list").wait(5).succeeded("list", ["a"]);

let client: QueryClient;
beforeEach(() => {
  client = new QueryClient();
});
afterEach(() => {
  client.clear();
  vi.unstubAllGlobals();
});

describe("the journal of a run", () => {
  test("is read page by page and folded as on the server", async () => {
    const script = begun();
    const server = journalOf(script);
    vi.stubGlobal("fetch", server.fetch);
    const view = await client.fetchQuery(journalQuery(run));
    expect(view.events).toEqual(script.events);
    expect(server.callsOf("getRunJournal").map(({ query }) => query.get("after"))).toEqual(["0", "3"]);
    expect(shapeOf(view.state)).toBe(shapeOf(fold(compile(triage), script.events, { runId: run })));
  });

  test("is read on from where it was, to the same state as all at once", async () => {
    const script = begun();
    const server = journalOf(script, 100);
    vi.stubGlobal("fetch", server.fetch);
    const first = await client.fetchQuery(journalQuery(run));
    script.mapStarted("each", ["a"]).started("summary", {}, { scope: "/each[0]" }).succeeded("summary", "s", { scope: "/each[0]" });
    const second = await client.fetchQuery(journalQuery(run));
    expect(second).not.toBe(first);
    expect(server.callsOf("getRunJournal").map(({ query }) => query.get("after"))).toEqual(["0", "4"]);
    expect(server.callsOf("getWorkflowVersion")).toHaveLength(1);
    expect(shapeOf(second.state)).toBe(shapeOf(fold(compile(triage), script.events, { runId: run })));
  });

  test("goes on with the version that the run was moved to", async () => {
    const moved = { by: "user:1", inboxId: "i", from: 1, to: 2, nodes: { list: "files" } };
    const script = begun().append({ kind: "version_moved", body: moved });
    const renamed: typeof triage = JSON.parse(
      JSON.stringify(triage).replaceAll(/"list"|steps\.list/g, (name) => name.replace("list", "files")),
    );
    const server = journalOf(script).answer("getWorkflowVersion", ({ params }) => ({
      version: Number(params["version"]),
      hash: "h",
      createdAt: "",
      createdBy: "",
      definition: params["version"] === "2" ? renamed : triage,
    }));
    vi.stubGlobal("fetch", server.fetch);
    const view = await client.fetchQuery(journalQuery(run));
    expect(view.definition?.nodes.map(({ id: nodeId }) => nodeId)).toContain("files");
    expect(view.state).toMatchObject({ version: 2, seq: 5 });
    expect(view.state?.steps.get("/files")).toMatchObject({ status: "succeeded", output: ["a"] });
  });

  test("is shown without a state when the workflow is gone", async () => {
    const server = journalOf(begun()).refuse("getWorkflowVersion", 404, { code: "not_found" });
    vi.stubGlobal("fetch", server.fetch);
    const view = await client.fetchQuery(journalQuery(run));
    expect(view.events).toHaveLength(4);
    expect(view.state).toBeUndefined();
  });

  test("is shown without a state when it does not fit the definition", async () => {
    vi.stubGlobal("fetch", journalOf(begun().started("summary", {}, { scope: "/each[7]" })).fetch);
    const view = await client.fetchQuery(journalQuery(run));
    expect(view.foldError).toContain("/each[7]");
    expect(view.events).toHaveLength(5);
  });

  test("fails when the definition cannot be read for now", async () => {
    vi.stubGlobal("fetch", journalOf(begun()).refuse("getWorkflowVersion", 503, { code: "unavailable" }).fetch);
    await expect(client.fetchQuery(journalQuery(run))).rejects.toThrow("Refused.");
  });

  test("may still be empty", async () => {
    vi.stubGlobal("fetch", journalOf(new JournalScript()).fetch);
    expect(await client.fetchQuery(journalQuery(run))).toEqual({ events: [] });
  });
});
