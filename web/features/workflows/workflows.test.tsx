import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { id, makeMe, makeRun, makeRunSummary, makeWorkflow, triage } from "../../testing/entities.ts";
import { pageOf, type FakeServer } from "../../testing/fake-server.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const withWorkflow = (server: FakeServer): FakeServer =>
  server
    .answer("listWorkflows", ({ query }) => pageOf([makeWorkflow()].filter((workflow) => workflow.name.includes(query.get("name") ?? ""))))
    .answer("getWorkflow", makeWorkflow())
    .answer("listRuns", pageOf([makeRunSummary()]))
    .answer("startRun", makeRun({ id: id(101), status: "queued", output: null }))
    .answer(
      "listWorkflowVersions",
      pageOf([{ version: 1, hash: "ab".repeat(32), createdAt: "2026-03-02T12:00:00.000Z", createdBy: "user:owner" }]),
    );

describe("the list of workflows", () => {
  test("shows what there is and how it went last", async () => {
    const { at } = await renderApp("/", withWorkflow);
    expect(await screen.findByRole("link", { name: "Letter triage" })).toBeTruthy();
    expect(await screen.findByText("Succeeded")).toBeTruthy();
    expect(at()).toBe("/workflows");
    expect(document.title).toBe("Workflows · Auterity");
  });

  test("is searched through the address", async () => {
    const { user, at } = await renderApp("/workflows?q=Letter", withWorkflow);
    const field = await screen.findByRole("textbox", { name: "Search workflows" });
    expect(field).toHaveProperty("value", "Letter");
    await user.type(field, "s");
    expect(await screen.findByText("No workflow has “Letters” in its name.")).toBeTruthy();
    expect(at()).toBe("/workflows?q=Letters");
    await user.click(screen.getAllByRole("button", { name: "Clear the search" }).at(-1) ?? field);
    expect(await screen.findByRole("link", { name: "Letter triage" })).toBeTruthy();
    expect(at()).toBe("/workflows");
  });

  test("says how to begin when there is none", async () => {
    await renderApp("/workflows", (server) => server.answer("listWorkflows", pageOf([])));
    expect(await screen.findByText("No workflow yet")).toBeTruthy();
    expect(screen.getByText("auterity run my-workflow.yaml")).toBeTruthy();
  });

  test("gives a failure's cause, remedy and id, and tries again", async () => {
    const { server, user } = await renderApp("/workflows", (server) =>
      server.refuse("listWorkflows", 503, { code: "database_unavailable", detail: "The database does not answer." }),
    );
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("The database does not answer.");
    expect(alert.textContent).toContain("the platform reconnects by itself");
    expect(within(alert).getByText("req-1")).toBeTruthy();
    withWorkflow(server);
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "Letter triage" })).toBeTruthy();
  });

  test("names the permission that is missing", async () => {
    await renderApp("/workflows", (server) =>
      server.refuse("listWorkflows", 403, { code: "permission_denied", detail: "This needs the permission workflow:read." }),
    );
    expect((await screen.findByRole("alert")).textContent).toContain("workflow:read");
  });

  test("does not let a viewer start runs, and says why", async () => {
    const { server, user } = await renderApp("/workflows", (server) => withWorkflow(server).answer("getMe", makeMe("viewer")));
    const run = await screen.findByRole("button", { name: /^Run/ });
    expect(run.getAttribute("aria-description")).toBe("Needs the permission run:start");
    await user.click(run);
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(server.callsOf("startRun")).toEqual([]);
  });
});

describe("starting a run", () => {
  const openForm = async (prepare = withWorkflow) => {
    const app = await renderApp(`/workflows/${id(10)}`, prepare);
    await app.user.click(await screen.findByRole("button", { name: "Run" }));
    const dialog = await screen.findByRole("dialog");
    await within(dialog).findByRole("button", { name: "Start the run" });
    return { ...app, dialog: within(dialog) };
  };

  test("asks for the input by the schema and goes to the run", async () => {
    const { user, dialog, server, at } = await openForm();
    await user.click(dialog.getByRole("button", { name: "Start the run" }));
    expect((await dialog.findByRole("alert")).textContent).toBe("Write a value.");
    await user.type(dialog.getByRole("textbox", { name: "Folder" }), "letters");
    await user.click(dialog.getByRole("button", { name: "Start the run" }));
    await vi.waitFor(() => expect(at()).toBe(`/runs/${id(101)}`));
    const [call] = server.callsOf("startRun");
    expect(call?.body).toEqual({ input: { folder: "letters" } });
    expect(call?.headers.get("idempotency-key")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("tries it out with breakpoints when asked to", async () => {
    const { user, dialog, server } = await openForm();
    await user.type(dialog.getByRole("textbox", { name: "Folder" }), "letters");
    await user.click(dialog.getByRole("checkbox", { name: "Try it out" }));
    const stops = within(dialog.getByRole("group", { name: "Stop before" }));
    await user.click(stops.getByRole("checkbox", { name: "Rank" }));
    await user.click(stops.getByRole("checkbox", { name: "End" }));
    await user.click(stops.getByRole("checkbox", { name: "End" }));
    await user.click(dialog.getByRole("button", { name: "Start the run" }));
    const body = { input: { folder: "letters" }, mode: "editor", breakpoints: ["rank"] };
    await vi.waitFor(() => expect(server.callsOf("startRun")[0]?.body).toEqual(body));
  });

  test("takes JSON as well, and says what is wrong with it", async () => {
    const { user, dialog, server } = await openForm();
    await user.type(dialog.getByRole("textbox", { name: "Folder" }), "a");
    await user.click(dialog.getByRole("button", { name: "JSON" }));
    const text = dialog.getByRole("textbox", { name: "Input as JSON" });
    expect(text).toHaveProperty("value", '{\n  "folder": "a"\n}');
    await user.clear(text);
    await user.type(text, "{{oops");
    await user.click(dialog.getByRole("button", { name: "Start the run" }));
    expect((await dialog.findByRole("alert")).textContent).toContain("This is not JSON");
    await user.clear(text);
    await user.type(text, "[[1]");
    await user.click(dialog.getByRole("button", { name: "Start the run" }));
    await vi.waitFor(() => expect(server.callsOf("startRun")[0]?.body).toEqual({ input: [1] }));
  });

  test("shows why the server refused, and keeps one key per input", async () => {
    const { user, dialog, server } = await openForm((server) =>
      withWorkflow(server).refuse("startRun", 422, { code: "input_invalid", detail: "The input does not fit." }),
    );
    const start = dialog.getByRole("button", { name: "Start the run" });
    await user.type(dialog.getByRole("textbox", { name: "Folder" }), "a");
    await user.click(start);
    expect((await dialog.findByRole("alert")).textContent).toContain("The input does not fit.");
    await user.click(start);
    await vi.waitFor(() => expect(server.callsOf("startRun")).toHaveLength(2));
    await user.type(dialog.getByRole("textbox", { name: "Folder" }), "b");
    await user.click(start);
    await vi.waitFor(() => expect(server.callsOf("startRun")).toHaveLength(3));
    const [first, second, third] = server.callsOf("startRun").map(({ headers }) => headers.get("idempotency-key"));
    expect(first).toBe(second);
    expect(third).not.toBe(first);
  });
});

describe("a workflow's page", () => {
  test("shows its graph, as a list too, and a chosen step's settings", async () => {
    const { user, at } = await renderApp(`/workflows/${id(10)}`, withWorkflow);
    await user.click(await screen.findByRole("button", { name: "Show as a list" }));
    const list = within(screen.getByRole("list", { name: "Steps of the workflow as a list" }));
    expect(list.getAllByRole("button")).toHaveLength(triage.nodes.length);
    await user.click(list.getByRole("button", { name: /^Check amounts/ }));
    expect(await screen.findByText("=item")).toBeTruthy();
    expect(at()).toContain("node=check");
    await user.keyboard("{Escape}");
    expect(await screen.findByText("Recent runs")).toBeTruthy();
  });

  test("walks its graph by keys", async () => {
    const { user, at } = await renderApp(`/workflows/${id(10)}`, withWorkflow);
    const start = await vi.waitFor(() => {
      const node = document.getElementById("node-start");
      if (!node) throw new Error("not drawn yet");
      return node;
    });
    start.focus();
    await user.keyboard("{ArrowRight}");
    expect(document.activeElement?.id).toBe("node-list");
    await user.keyboard("{Enter}");
    await vi.waitFor(() => expect(at()).toContain("node=list"));
  });

  test("has its input, versions and definition", async () => {
    const { user } = await renderApp(`/workflows/${id(10)}`, withWorkflow);
    await user.click(await screen.findByRole("tab", { name: "Input" }));
    expect(await screen.findAllByText("Where the letters are")).not.toEqual([]);
    await user.click(screen.getByRole("tab", { name: "Versions" }));
    expect(await screen.findByText("newest")).toBeTruthy();
    await user.click(screen.getByRole("tab", { name: "Definition" }));
    expect(await screen.findByText("nodes")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Text" }));
    expect(screen.getByText(/"version": 2/)).toBeTruthy();
  });

  test("that is gone says so", async () => {
    await renderApp(`/workflows/${id(11)}`, (server) =>
      server.refuse("getWorkflow", 404, { code: "not_found", detail: "There is no workflow with this id." }),
    );
    expect((await screen.findByRole("alert")).textContent).toContain("There is no workflow with this id.");
  });
});
