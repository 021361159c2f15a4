import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Definition } from "#contract/definition.ts";
import type { Run } from "#contract/runs.ts";
import { id, makeMe, makeRun } from "../../testing/entities.ts";
import { pageOf, type FakeServer } from "../../testing/fake-server.ts";
import { JournalScript, START } from "../../testing/journal-script.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const payment = Definition.parse({
  version: 2,
  name: "Payment",
  nodes: [
    { id: "start", type: "start" },
    { id: "pay", type: "http", label: "Pay", data: { method: "POST", url: "https://bank.test" }, policy: { compensate: "refund" } },
    { id: "refund", type: "http", label: "Refund", data: { method: "POST", url: "https://bank.test/refund" } },
    { id: "again", type: "loop", label: "Ask again", data: { while: "=index < 2" } },
    { id: "ask", type: "wait", label: "Ask", parentId: "again", data: { signal: "answer" } },
    { id: "hook", type: "wait", label: "Hook", data: { webhook: true } },
    { id: "ok", type: "approval", label: "Allowed?", data: { approvers: ["role:owner"] } },
    { id: "child", type: "subworkflow", label: "Child", data: { workflow: "other" } },
    {
      id: "crew",
      type: "team",
      label: "Crew",
      data: {
        mode: "parallel",
        members: [
          { name: "ada", agent: "a" },
          { name: "bob", agent: "b" },
        ],
      },
    },
  ],
  edges: ["pay", "again", "hook", "ok", "child", "crew"].map((target, index) => ({ id: `e${index}`, source: "start", target })),
});

const path = `/runs/${id(100)}`;
const created = (): JournalScript =>
  new JournalScript().append({
    kind: "run_created",
    body: { workflowId: id(10), version: 1, input: {}, initiator: "user:owner", hookUrl: "http://127.0.0.1/hooks/x" },
  });
const withRun =
  (script: JournalScript, run: Partial<Run> = {}) =>
  (server: FakeServer): FakeServer =>
    server
      .answer("getRun", makeRun({ output: null, status: "waiting", finishedAt: null, ...run }))
      .answer("getRunJournal", ({ query }) => ({ items: script.events.slice(Number(query.get("after"))), nextAfter: null }))
      .answer("getWorkflowVersion", { version: 1, hash: "h", createdAt: "", createdBy: "", definition: payment })
      .answer("listApprovals", pageOf([]));

describe("a step that waits says for what", () => {
  test.each([
    ["signal", { signal: "answer" }, "answer"],
    ["hook", { hook: true as const }, "http://127.0.0.1/hooks/x.hook"],
    ["time", { until: START + 60_000 }, "Waits until"],
  ])("a %s", async (_, body, words) => {
    const script = created().append({ kind: "step_waiting", body }, { nodeId: "hook" });
    await renderApp(`${path}?step=hook`, withRun(script));
    const waits = await screen.findByRole("region", { name: "What the step waits for" });
    expect(waits.textContent).toContain(words);
  });

  test("people, and until when", async () => {
    const script = created().append(
      { kind: "approval_requested", body: { approvers: ["role:owner"], n: 2, deadline: START + 60_000, onDeadline: "reject" } },
      { nodeId: "ok" },
    );
    await renderApp(`${path}?step=ok`, withRun(script));
    const waits = await screen.findByRole("region", { name: "What the step waits for" });
    expect(waits.textContent).toContain("0 of 2 decisions, by role:owner");
    expect(waits.textContent).toContain("Gives up");
  });

  test("a run of its own, to which it leads also afterwards", async () => {
    const script = created()
      .started("child")
      .append({ kind: "step_waiting", body: { childRunId: id(300) } }, { nodeId: "child" });
    await renderApp(`${path}?step=child`, withRun(script));
    await screen.findByRole("region", { name: "What the step waits for" });
    cleanup();
    script
      .append({ kind: "child_ended", body: { inboxId: "i", childRunId: id(300), status: "succeeded", output: 1 } }, { nodeId: "child" })
      .succeeded("child", 1);
    await renderApp(`${path}?step=child`, withRun(script));
    const panel = within(await screen.findByRole("region", { name: "Step Child" }));
    expect(panel.getByRole("link").getAttribute("href")).toBe(`/runs/${id(300)}`);
  });
});

describe("a run as a whole", () => {
  test("that is paused says since when and why, and goes on", async () => {
    const script = created().append({ kind: "run_paused", body: { by: "user:owner", inboxId: "i", reason: "Month end" } });
    const { user, server } = await renderApp(path, (server) =>
      withRun(script, { status: "paused" })(server).answer("resumeRun", makeRun({ status: "running" })),
    );
    const notice = within(await screen.findByRole("region", { name: "The run is paused" }));
    expect(notice.getByText("Month end")).toBeTruthy();
    await user.click(notice.getByRole("button", { name: "Resume" }));
    await vi.waitFor(() => expect(server.callsOf("resumeRun")[0]?.body).toEqual({}));
  });

  test("that stands at a breakpoint leads to the step", async () => {
    const script = created().append({ kind: "breakpoint_hit", body: {} }, { nodeId: "pay" });
    const { user, at } = await renderApp(path, withRun(script, { status: "paused", mode: "editor" }));
    const notice = within(await screen.findByRole("region", { name: "The run has stopped at a breakpoint" }));
    expect(screen.getByText("Trying out")).toBeTruthy();
    await user.click(notice.getByRole("button", { name: "Pay" }));
    await vi.waitFor(() => expect(at()).toContain("step=pay"));
  });

  test("that is being undone shows each step and how far it is", async () => {
    const undone = { scope: "", nodeId: "pay" };
    const script = created()
      .started("pay")
      .succeeded("pay")
      .failed("hook")
      .append({ kind: "compensation_started", body: { steps: [undone] } })
      .started("refund");
    await renderApp(`${path}?step=refund`, withRun(script, { status: "compensating" }));
    const notice = await screen.findByRole("region", { name: "The run is being undone" });
    expect(notice.textContent).toContain("PayRunning");
    expect(await screen.findByText("undoes another step")).toBeTruthy();
    cleanup();
    script.failed("refund");
    script.append({
      kind: "run_failed",
      body: { error: { code: "x", message: "m", remedy: "r", retryable: false, class: "needs_person" }, notUndone: [undone] },
    });
    await renderApp(`${path}?step=refund`, withRun(script, { status: "failed" }));
    expect(await screen.findByRole("region", { name: "1 step was not undone" })).toBeTruthy();
  });

  test("that is dead tells the reason and can be requeued", async () => {
    const dead = { at: "2026-03-02T12:00:00.000Z", reason: "Its journal could not be read.", crashes: 3 };
    const { user, server } = await renderApp(path, (server) =>
      withRun(created(), { status: "running", dead })(server).answer("requeueRun", makeRun({ status: "running" })),
    );
    const notice = within(await screen.findByRole("region", { name: "This run is dead" }));
    expect(notice.getByText("Its journal could not be read.")).toBeTruthy();
    await user.click(notice.getByRole("button", { name: "Requeue" }));
    await vi.waitFor(() => expect(server.callsOf("requeueRun")).toHaveLength(1));
    await vi.waitFor(() => expect(screen.queryByRole("region", { name: "This run is dead" })).toBeNull());
  });

  test("that another run's step waits for leads back to it", async () => {
    const script = new JournalScript().append({
      kind: "run_created",
      body: {
        workflowId: id(10),
        version: 1,
        input: {},
        initiator: "user:owner",
        parentRunId: id(90),
        parentStep: { runId: id(90), scope: "/each[1]", nodeId: "child" },
      },
    });
    await renderApp(path, withRun(script, { parentRunId: id(90) }));
    await screen.findByText("Called by");
    const link = screen.getAllByRole("link").find((each) => each.getAttribute("href")?.startsWith(`/runs/${id(90)}`));
    expect(decodeURIComponent(link?.getAttribute("href") ?? "")).toContain("step=each[1]/child");
  });
});

describe("rounds and turns", () => {
  test("are chosen like items", async () => {
    const script = created()
      .append({ kind: "round_started", body: { index: 0 } }, { nodeId: "again" })
      .append({ kind: "step_waiting", body: { signal: "answer" } }, { nodeId: "ask", scope: "/again[0]" });
    const { user, at } = await renderApp(`${path}?step=again`, withRun(script));
    await user.click(await screen.findByRole("button", { name: /Round 1/ }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("again[0]/ask")));
    expect(await screen.findByRole("button", { name: "All rounds of Ask again" })).toBeTruthy();
  });

  test("of a team name the member", async () => {
    const turns = ["ada", "bob"].map((member) => ({ member, input: "Find it" }));
    const script = created()
      .append({ kind: "turns_started", body: { turns, task: {} } }, { nodeId: "crew" })
      .started("crew.ada", {}, { scope: "/crew[0]" });
    const { user, at } = await renderApp(`${path}?tab=timeline&step=crew`, withRun(script));
    await user.click(await screen.findByRole("button", { name: /Turn 2.*bob/ }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("crew[1]/crew.bob")));
    await user.click(await screen.findByRole("button", { name: "Previous turn" }));
    await vi.waitFor(() => expect(at()).toContain(encodeURIComponent("crew[0]/crew.ada")));
    await user.click(screen.getByRole("button", { name: "Expand all" }));
    expect(screen.getByRole("treeitem", { name: /Turn 1.*ada/ })).toBeTruthy();
  });
});

describe("going on from a run", () => {
  const failed = (): JournalScript => created().started("pay").succeeded("pay", { paid: 5 });

  test("forks it from a step, with another input", async () => {
    const { user, server, at } = await renderApp(`${path}?step=pay`, (server) =>
      withRun(failed(), { status: "failed", input: { amount: 5 } })(server).answer("forkRun", makeRun({ id: id(106) })),
    );
    await user.click(await screen.findByRole("button", { name: "Fork from here" }));
    const dialog = within(await screen.findByRole("dialog"));
    const text = dialog.getByRole("textbox");
    await user.clear(text);
    await user.type(text, "nothing");
    expect(dialog.getByText("Expected JSON.")).toBeTruthy();
    await user.clear(text);
    await user.type(text, "7");
    await user.click(dialog.getByRole("button", { name: "Start the fork" }));
    await vi.waitFor(() => expect(at()).toBe(`/runs/${id(106)}`));
    expect(server.callsOf("forkRun")[0]?.body).toEqual({ from: { scope: "", nodeId: "pay" }, input: 7 });
  });

  test("retries a failed one from where one wants", async () => {
    const { user, server } = await renderApp(path, (server) =>
      withRun(failed(), { status: "failed" })(server).answer("retryRun", makeRun({ id: id(105) })),
    );
    await user.click(await screen.findByRole("button", { name: "Retry from where" }));
    await user.click(await screen.findByRole("menuitem", { name: "From the start" }));
    await vi.waitFor(() => expect(server.callsOf("retryRun")[0]?.body).toEqual({ from: "start" }));
  });

  test("needs the permission", async () => {
    await renderApp(`${path}?step=pay`, (server) => withRun(failed())(server).answer("getMe", makeMe("viewer")));
    const fork = await screen.findByRole("button", { name: "Fork from here" });
    expect(fork.getAttribute("aria-description")).toBe("Needs the permission run:start");
  });
});
