import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { id, makeAgent } from "../../testing/entities.ts";
import { pageOf } from "../../testing/fake-server.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const agents = [
  makeAgent(),
  makeAgent({
    id: id(41),
    name: "urgency",
    title: "Urgency",
    status: "offline",
    lastSeenAt: null,
    endpoint: { kind: "a2a", url: "http://127.0.0.1:4999/" },
    skills: [],
    concurrency: null,
  }),
  makeAgent({
    id: id(42),
    name: "models",
    title: "Models",
    status: "unknown",
    endpoint: { kind: "openai", baseUrl: "http://127.0.0.1:1/v1", models: ["m-1"] },
  }),
];

test("the list of agents shows kind, skills and status", async () => {
  await renderApp("/agents", (server) => server.answer("listAgents", pageOf(agents)));
  const rows = await screen.findAllByRole("row");
  expect(rows.slice(1).map((row) => /Online|Offline|Not checked/.exec(row.textContent ?? "")?.[0])).toEqual([
    "Online",
    "Offline",
    "Not checked",
  ]);
  expect(rows[1]?.textContent).toContain("1 skill");
  expect(rows[3]?.textContent).toContain("1 model");
});

test("an agent's drawer has its skills, or its models", async () => {
  const { user, at } = await renderApp("/agents", (server) => server.answer("listAgents", pageOf(agents)));
  await user.click(await screen.findByRole("link", { name: "Fact checker" }));
  expect(await within(await screen.findByRole("dialog")).findByText("Finds amounts and dates")).toBeTruthy();
  await user.keyboard("{Escape}");
  await vi.waitFor(() => expect(at()).toBe("/agents"));
  await user.click(await screen.findByRole("link", { name: "Models" }));
  expect(await within(await screen.findByRole("dialog")).findByText("m-1")).toBeTruthy();
  await user.keyboard("{Escape}");
  await user.click(await screen.findByRole("link", { name: "Urgency" }));
  expect(await within(await screen.findByRole("dialog")).findByText(/has not named any skill/)).toBeTruthy();
});

test("without agents, and without an answer, the page says what to do", async () => {
  await renderApp("/agents", (server) => server.answer("listAgents", pageOf([])));
  expect((await screen.findByRole("link", { name: "See how in the API reference" })).getAttribute("href")).toBe("/docs");
  cleanup();
  await renderApp("/agents", (server) => server.refuse("listAgents", 500, { code: "internal" }));
  expect((await screen.findByRole("alert")).textContent).toContain("report it with the request id");
});
