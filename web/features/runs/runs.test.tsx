import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { FakeEventSource } from "../../testing/browser.ts";
import { id, makeRunSummary, makeWorkflow } from "../../testing/entities.ts";
import { pageOf, type FakeServer } from "../../testing/fake-server.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const runs = [
  makeRunSummary({ id: id(100), status: "running", finishedAt: null, tags: ["nightly"] }),
  makeRunSummary({ id: id(101), status: "failed", workflowName: "Folder brief" }),
];
const withRuns = (server: FakeServer): FakeServer =>
  server
    .answer("listWorkflows", pageOf([makeWorkflow()]))
    .answer("listRuns", ({ query }) => pageOf(runs.filter((run) => (query.get("status") ?? run.status).includes(run.status))));

describe("the list of runs", () => {
  test("shows the newest with status, workflow and duration", async () => {
    await renderApp("/runs", withRuns);
    const rows = await screen.findAllByRole("row");
    expect(rows).toHaveLength(3);
    expect(rows[1]?.textContent).toContain("Running");
    expect(rows[2]?.textContent).toContain("Folder brief");
    expect(rows[2]?.textContent).toContain("4.2 s");
    expect(screen.getByText("2 runs")).toBeTruthy();
  });

  test("is filtered through the address", async () => {
    const { user, server, at } = await renderApp("/runs?status=failed", withRuns);
    expect(await screen.findAllByRole("row")).toHaveLength(2);
    await user.click(screen.getByRole("button", { name: "Status: Failed" }));
    await user.click(await screen.findByRole("menuitemcheckbox", { name: "Running" }));
    await vi.waitFor(() => expect(at()).toBe(`/runs?status=${encodeURIComponent("running,failed")}`));
    await user.keyboard("{Escape}");
    await user.type(screen.getByRole("textbox", { name: "Tag" }), "nightly");
    await vi.waitFor(() => expect(server.callsOf("listRuns").at(-1)?.query.get("tag")).toBe("nightly"));
    await user.click(screen.getByRole("button", { name: "Clear filters" }));
    await vi.waitFor(() => expect(at()).toBe("/runs"));
  });

  test("says what to do when nothing fits, and when nothing has run", async () => {
    const { user } = await renderApp("/runs?status=cancelled", (server) => withRuns(server));
    expect(await screen.findByText("No run fits these filters")).toBeTruthy();
    await user.click(screen.getAllByRole("button", { name: "Clear filters" }).at(-1) ?? document.body);
    expect(await screen.findAllByRole("row")).toHaveLength(3);
    cleanup();
    await renderApp("/runs", (server) => server.answer("listRuns", pageOf([])));
    expect(await screen.findByText("Nothing has run yet")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Go to workflows" })).toBeTruthy();
  });

  test("reads on by cursor", async () => {
    const { user, server } = await renderApp("/runs", (server) =>
      server.answer("listRuns", ({ query }) =>
        query.get("cursor") === "next" ? pageOf([makeRunSummary({ id: id(102) })]) : pageOf(runs, "next"),
      ),
    );
    await user.click(await screen.findByRole("button", { name: "Load more" }));
    expect(await screen.findByText("3 runs")).toBeTruthy();
    expect(server.callsOf("listRuns").some(({ query }) => query.get("cursor") === "next")).toBe(true);
  });

  test("follows the server's hints", async () => {
    await renderApp("/runs", withRuns);
    await screen.findByText("Running");
    FakeEventSource.newest().connect();
    FakeEventSource.newest().send({ type: "run", runId: id(100), workflowId: id(10), status: "succeeded", seq: 99 });
    expect(await screen.findByText("Succeeded")).toBeTruthy();
    expect(screen.getByText("Live")).toBeTruthy();
  });

  test("tells when the stream is down", async () => {
    await renderApp("/runs", withRuns);
    await screen.findByText("Running");
    FakeEventSource.newest().fail();
    const banner = await screen.findByRole("alert");
    expect(within(banner).getByText(/read again every three seconds/)).toBeTruthy();
    expect(screen.getByText("Reconnecting")).toBeTruthy();
  });
});
