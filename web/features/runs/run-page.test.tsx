import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Run } from "#contract/runs.ts";
import { FakeEventSource } from "../../testing/browser.ts";
import { id, makeMe, makeMessage, makeRun, triage } from "../../testing/entities.ts";
import { pageOf, type FakeServer } from "../../testing/fake-server.ts";
import { JournalScript, stepError } from "../../testing/journal-script.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const path = `/runs/${id(100)}`;
const begun = (): JournalScript =>
  new JournalScript()
    .created(id(10), { folder: "letters" })
    .wait(10)
    .started("list", { server: "files" })
    .wait(200)
    .succeeded("list", { names: ["a.md", "b.md"] })
    .mapStarted("each", ["a.md", "b.md"])
    .started("summary", {}, { scope: "/each[0]" })
    .wait(50)
    .succeeded("summary", { text: "Short." }, { scope: "/each[0]" })
    .started("summary", {}, { scope: "/each[1]" });
const failed = (): JournalScript =>
  begun()
    .started("check", {}, { scope: "/each[0]" })
    .wait(30)
    .failed("check", { retryInMs: 100 }, { scope: "/each[0]" })
    .wait(100)
    .started("check", {}, { scope: "/each[0]", attempt: 2 })
    .wait(30)
    .failed("check", { error: { message: "The amount is not a number.", cause: "ValueError" } }, { scope: "/each[0]", attempt: 2 });

const withRun =
  (script: JournalScript, run: Partial<Run> = {}) =>
  (server: FakeServer): FakeServer =>
    server
      .answer("getRun", makeRun(run))
      .answer("getRunJournal", ({ query }) => ({ items: script.events.slice(Number(query.get("after"))), nextAfter: null }))
      .answer("getWorkflowVersion", { version: 1, hash: "h", createdAt: "", createdBy: "", definition: triage })
      .answer(
        "listMessages",
        pageOf([
          makeMessage(),
          makeMessage({
            id: id(501),
            direction: "in",
            kind: "response",
            latencyMs: 200,
            nodeId: "summary",
            scope: "/each[0]",
            protocol: "openai",
            method: "chat",
          }),
        ]),
      );

const running: Partial<Run> = { status: "running", finishedAt: null, output: null };

describe("the run page", () => {
  test("shows status, result and input", async () => {
    await renderApp(path, withRun(begun()));
    expect(await screen.findByRole("heading", { level: 1, name: /Letter triage/ })).toBeTruthy();
    expect(screen.getAllByText("Succeeded").length).toBeGreaterThan(0);
    expect(await screen.findByRole("region", { name: "Output" })).toBeTruthy();
    expect(screen.getByText("letters")).toBeTruthy();
    expect(document.title).toBe("Run of Letter triage · Auterity");
  });

  test("opens a step from the graph, its item from the list of items", async () => {
    const { user, at } = await renderApp(path, withRun(begun(), running));
    await user.click(await screen.findByRole("button", { name: "Show as a list" }));
    await user.click(screen.getByRole("button", { name: /^Each letter/ }));
    expect(at()).toBe(`${path}?step=each`);
    const panel = within(await screen.findByRole("region", { name: "Step Each letter" }));
    await user.click(await panel.findByRole("button", { name: /a\.md/ }));
    await vi.waitFor(() => expect(at()).toBe(`${path}?step=${encodeURIComponent("each[0]/summary")}`));
    expect(await screen.findByText("Short.")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Next item" }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("each[1]/summary")));
    await user.keyboard("{Escape}");
    await vi.waitFor(() => expect(at()).toBe(path));
  });

  test("lets one choose an item of a step inside a map", async () => {
    const { user, at } = await renderApp(`${path}?step=summary`, withRun(begun(), running));
    await user.click(await screen.findByRole("button", { name: /b\.md/ }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("each[1]/summary")));
  });

  test("shows a failed step's error, attempts and remedy", async () => {
    const error = { ...stepError({ message: "The amount is not a number." }), nodeId: "check", scope: "/each[0]" };
    const { user } = await renderApp(path, withRun(failed(), { status: "failed", output: null, error }));
    await user.click(await screen.findByRole("button", { name: "at step Check amounts" }));
    const panel = within(await screen.findByRole("region", { name: "Step Check amounts" }));
    expect(panel.getByText("The amount is not a number.")).toBeTruthy();
    expect(panel.getByText("ValueError")).toBeTruthy();
    expect(panel.getByText("Read the agent's own message.")).toBeTruthy();
    expect(within(panel.getByRole("region", { name: "Attempts" })).getAllByRole("listitem")).toHaveLength(2);
  });

  test("goes on live to the same as afterwards", async () => {
    const script = begun();
    const { server } = await renderApp(`${path}?tab=events`, withRun(script, running));
    expect(await screen.findAllByText("step_started")).toHaveLength(3);
    script.succeeded("summary", "s", { scope: "/each[1]" });
    FakeEventSource.newest().connect();
    FakeEventSource.newest().send({ type: "run", runId: id(100), workflowId: id(10), status: "running", seq: script.events.length });
    await vi.waitFor(() => expect(screen.getAllByText("step_succeeded")).toHaveLength(3));
    expect(server.callsOf("getRunJournal").at(-1)?.query.get("after")).not.toBe("0");
  });

  test("keeps its timeline and raw events when the workflow is gone", async () => {
    const { user } = await renderApp(path, (server) => withRun(begun())(server).refuse("getWorkflowVersion", 404, { code: "not_found" }));
    expect(await screen.findByText("The workflow of this run is gone")).toBeTruthy();
    await user.click(screen.getByRole("tab", { name: "Timeline" }));
    expect(await screen.findByRole("treeitem", { name: /list/ })).toBeTruthy();
  });

  test("that is not there says so", async () => {
    await renderApp(path, (server) => server.refuse("getRun", 404, { code: "not_found", detail: "There is no run with this id." }));
    expect((await screen.findByRole("alert")).textContent).toContain("There is no run with this id.");
  });
});

describe("the timeline", () => {
  test("is a tree that keys walk through", async () => {
    const { user, at } = await renderApp(`${path}?tab=timeline`, withRun(failed(), { status: "failed" }));
    const tree = within(await screen.findByRole("tree", { name: "Timeline of the steps" }));
    expect(tree.getAllByRole("treeitem").map((item) => item.getAttribute("aria-level"))).toEqual(["1", "1", "2", "2"]);
    await user.keyboard("j");
    await vi.waitFor(() => expect(document.activeElement?.getAttribute("data-row")).toBe("/each"));
    await user.keyboard("{ArrowDown}");
    await vi.waitFor(() => expect(document.activeElement?.getAttribute("data-row")).toBe("/each[0]"));
    await user.keyboard("{ArrowRight}");
    await vi.waitFor(() => expect(tree.getAllByRole("treeitem")).toHaveLength(6));
    await user.keyboard("{End}{Home}{ArrowDown}{ArrowDown}{ArrowDown}");
    await vi.waitFor(() => expect(document.activeElement?.getAttribute("data-row")).toBe("/each[0]/summary"));
    await user.keyboard("{Enter}");
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("each[0]/summary")));
    await user.keyboard("{ArrowLeft}{ArrowLeft}k");
    await vi.waitFor(() => expect(document.activeElement?.getAttribute("data-row")).toBe("/each"));
    await user.keyboard("{ArrowLeft}");
    await vi.waitFor(() => expect(tree.getAllByRole("treeitem")).toHaveLength(2));
  });

  test("zooms and folds", async () => {
    const { user } = await renderApp(`${path}?tab=timeline`, withRun(begun()));
    await user.click(await screen.findByRole("button", { name: "Expand all" }));
    expect(screen.getAllByRole("treeitem")).toHaveLength(6);
    await user.click(screen.getByRole("button", { name: "Collapse all" }));
    expect(screen.getAllByRole("treeitem")).toHaveLength(2);
    await user.keyboard("+");
    await user.click(await screen.findByRole("button", { name: "Later" }));
    await user.click(screen.getByRole("button", { name: "Earlier" }));
    await user.click(screen.getByRole("button", { name: "Zoom out" }));
    await vi.waitFor(() => expect(screen.queryByRole("button", { name: "Whole run" })).toBeNull());
    await user.click(screen.getByRole("button", { name: "Zoom in" }));
    await user.click(await screen.findByRole("button", { name: "Whole run" }));
    await user.click(screen.getByRole("treeitem", { name: /List the letters/ }));
    expect(await screen.findByRole("region", { name: "Step List the letters" })).toBeTruthy();
  });
});

describe("messages and raw events", () => {
  test("messages can be narrowed, opened and followed to their step", async () => {
    const { user, at } = await renderApp(`${path}?tab=messages`, withRun(begun()));
    const list = within(await screen.findByRole("list", { name: "Messages of the run" }));
    expect(list.getAllByRole("listitem")).toHaveLength(2);
    await user.click(screen.getByRole("button", { name: "Model" }));
    expect(list.getAllByRole("listitem")).toHaveLength(1);
    await user.click(list.getByRole("button", { name: /chat/ }));
    expect(await screen.findByText("c-1")).toBeTruthy();
    await user.click(list.getByRole("button", { name: "Summarise 1" }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("each[0]/summary")));
    await user.click(screen.getByRole("button", { name: "MCP" }));
    expect(await screen.findByText("No message fits these filters.")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Only Summarise" }));
    expect(await screen.findByRole("list", { name: "Messages of the run" })).toBeTruthy();
  });

  test("there may be none yet", async () => {
    await renderApp(`${path}?tab=messages`, (server) => withRun(begun())(server).answer("listMessages", pageOf([])));
    expect(await screen.findByText("No message yet")).toBeTruthy();
  });

  test("events can be found, opened and followed to their step", async () => {
    const { user, at } = await renderApp(`${path}?tab=events`, withRun(begun()));
    await user.type(await screen.findByRole("textbox", { name: "Filter by kind, step or scope" }), "map_");
    const list = within(screen.getByRole("list", { name: "Raw events of the run" }));
    await user.click(list.getByRole("button", { name: /map_started/ }));
    expect(await screen.findByText("onItemError")).toBeTruthy();
    await user.click(list.getByRole("button", { name: "each" }));
    await vi.waitFor(() => expect(at()).toContain("step=each"));
  });
});

describe("acting on a run", () => {
  test("cancels it after asking, with a reason", async () => {
    const { user, server } = await renderApp(path, (server) =>
      withRun(begun(), running)(server).answer("cancelRun", makeRun({ ...running, status: "cancelling" })),
    );
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByRole("textbox"), "by mistake");
    await user.click(dialog.getByRole("button", { name: "Cancel the run" }));
    await vi.waitFor(() => expect(server.callsOf("cancelRun")[0]?.body).toEqual({ reason: "by mistake" }));
  });

  test("retries a finished one as a new run", async () => {
    const { user, at } = await renderApp(path, (server) =>
      withRun(begun())(server).answer("retryRun", makeRun({ id: id(105), parentRunId: id(100) })),
    );
    await user.click(await screen.findByRole("button", { name: "Retry" }));
    await vi.waitFor(() => expect(at()).toBe(`/runs/${id(105)}`));
  });

  test("tells of an action that the server refused", async () => {
    const { user } = await renderApp(path, (server) =>
      withRun(begun())(server).refuse("retryRun", 409, { code: "run_transition_invalid", detail: "It is not over." }),
    );
    await user.click(await screen.findByRole("button", { name: "Retry" }));
    expect(await screen.findByText("It is not over.")).toBeTruthy();
  });

  test("says why something cannot be done", async () => {
    await renderApp(path, (server) => withRun(begun(), running)(server).answer("getMe", makeMe("viewer")));
    const cancel = await screen.findByRole("button", { name: "Cancel" });
    expect(cancel.getAttribute("aria-description")).toBe("Needs the permission run:control");
    expect(screen.getByRole("button", { name: "Retry" }).getAttribute("aria-description")).toBe("Needs the permission run:start");
  });

  test("asks about steps in doubt and sends the answer", async () => {
    const script = new JournalScript().created(id(10), {}).started("list").wait(5).parked("list");
    const question = { scope: "", nodeId: "list", question: "Was the list read?", since: "2026-03-02T12:00:00.000Z" };
    const waiting: Partial<Run> = { ...running, status: "waiting", questions: [question, { ...question, nodeId: "rank" }] };
    const { user, server } = await renderApp(path, (server) => withRun(script, waiting)(server).answer("resumeRun", makeRun(running)));
    const asked = within(await screen.findByRole("region", { name: "2 steps need an answer" }));
    expect(asked.getAllByText("Was the list read?")).toHaveLength(2);
    await user.click(asked.getAllByRole("button", { name: "It did not happen" })[0] ?? document.body);
    await vi.waitFor(() => expect(server.callsOf("resumeRun")[0]?.body).toEqual({ answer: "did_not_happen", nodeId: "list", scope: "" }));
  });
});
