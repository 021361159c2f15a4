import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { id, makeMe, makeRunSummary, makeWorkflow } from "../testing/entities.ts";
import { pageOf, type FakeServer } from "../testing/fake-server.ts";
import { renderApp } from "../testing/render-app.tsx";

beforeEach(() => localStorage.clear());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const withSome = (server: FakeServer): FakeServer =>
  server
    .answer("listWorkflows", pageOf([makeWorkflow()]))
    .answer("listRuns", pageOf([makeRunSummary()]))
    .answer("listAgents", pageOf([]))
    .answer("listMcpServers", pageOf([]))
    .answer("getWorkflow", makeWorkflow());

describe("signing in", () => {
  test("without a session the page says how to get a link", async () => {
    await renderApp("/runs", (server) => server.refuse("getMe", 401, { code: "unauthenticated" }));
    expect(await screen.findByRole("heading", { name: "You are signed out" })).toBeTruthy();
    expect(screen.getByText("auterity link")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("a used link is told apart", async () => {
    await renderApp("/runs", (server) => server.refuse("getMe", 401, { code: "unauthenticated" }), "refused");
    expect((await screen.findByRole("alert")).textContent).toContain("used already");
  });

  test("a server that cannot be reached is not taken for a lost session", async () => {
    const { server, user } = await renderApp("/runs", (server) =>
      server.refuse("getMe", 503, { code: "unavailable", detail: "Starting." }),
    );
    expect((await screen.findByRole("alert")).textContent).toContain("Starting.");
    withSome(server).answer("getMe", makeMe());
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("heading", { name: "Runs" })).toBeTruthy();
  });

  test("a session that ends leads to the same page", async () => {
    const { server, user } = await renderApp("/workflows", withSome);
    await screen.findByRole("link", { name: "Letter triage" });
    server.refuse("getMe", 401, { code: "unauthenticated" }).refuse("listAgents", 401, { code: "unauthenticated" });
    await user.keyboard("ga");
    expect(await screen.findByRole("heading", { name: "You are signed out" })).toBeTruthy();
  });

  test("signing out ends the session", async () => {
    const { server, user } = await renderApp("/workflows", withSome);
    await user.click(await screen.findByRole("button", { name: "Olga Owner · owner" }));
    server.refuse("getMe", 401, { code: "unauthenticated" }).answer("endSession", undefined);
    await user.click(await screen.findByRole("menuitem", { name: "Sign out" }));
    expect(await screen.findByRole("heading", { name: "You are signed out" })).toBeTruthy();
    expect(server.callsOf("endSession")).toHaveLength(1);
  });
});

describe("finding one's way", () => {
  test("by keys", async () => {
    const { user, at } = await renderApp("/workflows", withSome);
    await screen.findByRole("link", { name: "Letter triage" });
    await user.keyboard("gr");
    await vi.waitFor(() => expect(at()).toBe("/runs"));
    await user.keyboard("gm");
    await vi.waitFor(() => expect(at()).toBe("/mcp-servers"));
    await user.keyboard("gw");
    await vi.waitFor(() => expect(at()).toBe("/workflows"));
  });

  test("by the navigation, with the content one step away", async () => {
    await renderApp("/workflows", withSome);
    const navigation = within((await screen.findAllByRole("navigation", { name: "Main" }))[0] ?? document.body);
    expect(navigation.getAllByRole("link").map((link) => link.getAttribute("href"))).toEqual([
      "/workflows",
      "/workflows",
      "/runs",
      "/approvals",
      "/mcp-servers",
      "/agents",
    ]);
    expect(screen.getByRole("link", { name: "Skip to the content" }).getAttribute("href")).toBe("#content");
  });

  test("by the palette", async () => {
    const { user, at } = await renderApp("/agents", withSome);
    await screen.findByText("No agent yet");
    await user.keyboard("{Control>}k{/Control}");
    const palette = within(await screen.findByRole("dialog"));
    await palette.findByText("Recent runs");
    await user.type(palette.getByRole("combobox"), "letter tri");
    await user.keyboard("{Enter}");
    await vi.waitFor(() => expect(at()).toBe(`/workflows/${id(10)}`));
  });

  test("by doing something from the palette", async () => {
    const { user } = await renderApp("/agents", withSome);
    await screen.findByText("No agent yet");
    await user.keyboard("{Control>}k{/Control}");
    await user.type(within(await screen.findByRole("dialog")).getByRole("combobox"), "keyboard shortcuts");
    await user.keyboard("{Enter}");
    const sheet = within(await screen.findByRole("dialog", { name: "Keyboard shortcuts" }));
    await user.type(sheet.getByRole("searchbox"), "palette");
    expect(sheet.getAllByRole("term")).toHaveLength(1);
    await user.clear(sheet.getByRole("searchbox"));
    await user.type(sheet.getByRole("searchbox"), "fly");
    expect(sheet.getByText("No shortcut matches.")).toBeTruthy();
  });

  test("to nowhere ends at a page that leads back", async () => {
    await renderApp("/nowhere", withSome);
    expect(await screen.findByRole("heading", { name: "There is nothing at this address" })).toBeTruthy();
  });
});

test("the theme is chosen, kept and given back to the system", async () => {
  const { user } = await renderApp("/agents", withSome);
  await user.click(await screen.findByRole("button", { name: "Theme: System. Change" }));
  await user.click(await screen.findByRole("menuitemradio", { name: "Dark" }));
  expect(document.documentElement.dataset["theme"]).toBe("dark");
  expect(localStorage.getItem("auterity.theme")).toBe("dark");
  await vi.waitFor(() => expect(screen.queryByRole("menu")).toBeNull());
  await user.click(await screen.findByRole("button", { name: "Theme: Dark. Change" }));
  await user.click(await screen.findByRole("menuitemradio", { name: "System" }));
  expect(document.documentElement.dataset["theme"]).toBeUndefined();
  expect(localStorage.getItem("auterity.theme")).toBeNull();
});
