import { cleanup, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { id, makeMe, makeServer, makeTool } from "../../testing/entities.ts";
import { pageOf, type FakeServer } from "../../testing/fake-server.ts";
import { renderApp } from "../../testing/render-app.tsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const broken = makeServer({
  id: id(21),
  name: "parts",
  state: "FAILED",
  startedAt: null,
  lastError: { code: "mcp_exited", message: "It ended with code 1.", remedy: "Read its stderr.", at: "2026-03-02T12:00:00.000Z" },
});
const pending = makeServer({ id: id(22), name: "crm", state: "STOPPED", launchApproved: false, startedAt: null });
const withServers = (server: FakeServer): FakeServer =>
  server
    .answer("listMcpServers", pageOf([makeServer(), broken, pending]))
    .answer("listServerTools", {
      items: [
        makeTool(),
        ...["b", "c", "d", "e", "f", "g"].map((name, index) =>
          makeTool({ id: id(31 + index), name, approval: "changed", findings: ["asks to ignore instructions"] }),
        ),
      ],
    })
    .answer(
      "listServerLogs",
      pageOf([{ id: "1", at: "2026-03-02T12:00:00.000Z", stream: "event", level: null, processId: null, text: "READY" }]),
    );

describe("the list of MCP servers", () => {
  test("shows state, tools and the last error with its remedy", async () => {
    await renderApp("/mcp-servers", withServers);
    const rows = await screen.findAllByRole("row");
    expect(rows[1]?.textContent).toContain("Ready");
    expect(rows[1]?.textContent).toContain("2 tools");
    expect(rows[2]?.textContent).toContain("It ended with code 1. Read its stderr.");
    expect(rows[3]?.textContent).toContain("Launch not approved");
  });

  test("starts, stops, restarts and approves", async () => {
    const { user, server } = await renderApp("/mcp-servers", (server) =>
      withServers(server)
        .answer("stopMcpServer", makeServer({ state: "STOPPED" }))
        .answer("startMcpServer", makeServer())
        .answer("restartMcpServer", makeServer())
        .answer("approveMcpLaunch", makeServer()),
    );
    const actions = async (name: string) => within(await screen.findByRole("group", { name: `Actions of ${name}` }));
    await user.click((await actions("files")).getByRole("button", { name: "Stop" }));
    expect(await screen.findByText("files is stopped")).toBeTruthy();
    await user.click((await actions("files")).getByRole("button", { name: "Restart" }));
    await user.click((await actions("parts")).getByRole("button", { name: "Start" }));
    await user.click((await actions("crm")).getByRole("button", { name: "Approve" }));
    await vi.waitFor(() => expect(server.callsOf("approveMcpLaunch")[0]?.params).toEqual({ id: id(22) }));
    expect(server.callsOf("startMcpServer")[0]?.params).toEqual({ id: id(21) });
    expect(server.callsOf("restartMcpServer")).toHaveLength(1);
  });

  test("tells why an action failed, and who may act", async () => {
    const { user } = await renderApp("/mcp-servers", (server) =>
      withServers(server).refuse("stopMcpServer", 403, { code: "permission_denied", detail: "No." }),
    );
    await user.click(within(await screen.findByRole("group", { name: "Actions of files" })).getByRole("button", { name: "Stop" }));
    expect(await screen.findByText("No.")).toBeTruthy();
    cleanup();
    await renderApp("/mcp-servers", (server) => withServers(server).answer("getMe", makeMe("viewer")));
    const stop = within(await screen.findByRole("group", { name: "Actions of files" })).getByRole("button", { name: "Stop" });
    expect(stop.getAttribute("aria-description")).toBe("Needs the permission mcp_server:control");
  });

  test("says how to begin when there is none", async () => {
    await renderApp("/mcp-servers", (server) => server.answer("listMcpServers", pageOf([])));
    expect(await screen.findByText("auterity mcp import mcp.json")).toBeTruthy();
  });
});

describe("a server's drawer", () => {
  test("has its tools, logs and facts", async () => {
    const { user, at } = await renderApp("/mcp-servers", withServers);
    await user.click(await screen.findByRole("link", { name: "files" }));
    const drawer = within(await screen.findByRole("dialog"));
    expect(at()).toBe(`/mcp-servers?open=${id(20)}`);
    expect(await drawer.findByText("read_text_file")).toBeTruthy();
    expect(drawer.getAllByText(/asks to ignore instructions/)).toHaveLength(6);
    await user.type(drawer.getByRole("textbox", { name: "Search tools" }), "nothing like it");
    expect(await drawer.findByText("No tool matches.")).toBeTruthy();
    await user.click(drawer.getByRole("tab", { name: "Logs" }));
    expect(await drawer.findByText("READY")).toBeTruthy();
    await user.click(drawer.getByRole("tab", { name: "Overview" }));
    expect(await drawer.findByText("2025-11-25")).toBeTruthy();
    await user.click(drawer.getByRole("button", { name: "Close" }));
    await vi.waitFor(() => expect(at()).toBe("/mcp-servers"));
  });

  test("shows the last error, and that there is nothing yet", async () => {
    const { user } = await renderApp(`/mcp-servers?open=${id(21)}`, (server) =>
      withServers(server).answer("listServerTools", { items: [] }).answer("listServerLogs", pageOf([])),
    );
    const drawer = within(await screen.findByRole("dialog"));
    expect(drawer.getByRole("region", { name: "Last error" }).textContent).toContain("mcp_exited");
    expect(await drawer.findByText(/offers no tool/)).toBeTruthy();
    await user.click(drawer.getByRole("tab", { name: "Logs" }));
    expect(await drawer.findByText(/has not written anything/)).toBeTruthy();
  });
});
