import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import * as agents from "#cli/commands/agents.ts";
import * as mcp from "#cli/commands/mcp.ts";
import * as control from "#cli/commands/mcp-control.ts";
import * as mcpCatalogue from "#cli/commands/mcp-catalogue.ts";
import * as mcpTools from "#cli/commands/mcp-tools.ts";
import * as mcpUpdate from "#cli/commands/mcp-update.ts";
import * as mcpImport from "#cli/commands/mcp-import.ts";
import { serverNamed } from "#cli/commands/mcp-server.ts";
import { runFile } from "#cli/commands/run.ts";
import * as runs from "#cli/commands/runs.ts";
import * as triggers from "#cli/commands/triggers.ts";
import { validateFile } from "#cli/commands/validate.ts";
import { startDemo } from "#cli/demo/flagship.ts";
import { changingServer } from "#test/support/mcp/changing.ts";
import {
  CONTROL_CHARACTERS,
  FORBIDDEN_OUTPUT,
  INVISIBLE_CHARACTERS,
  TAG_CHARACTERS,
  TERMINAL_SEQUENCES,
} from "#test/support/mcp/hidden-characters.ts";
import { createClient } from "#sdk/client.ts";
import { ROOT } from "#test/support/source-files.ts";
import { addMember, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/** What the commands do, inside this process; that `auterity` as a program does the same is tested with the documents. */
describe("the commands", () => {
  const dir = mkdtempSync(join(tmpdir(), "auterity-cli-"));
  let at: StartedPlatform;
  let out = "";
  let notices = "";
  beforeAll(async () => {
    at = await startedPlatform();
  });
  afterAll(async () => {
    await at.close();
    rmSync(dir, { recursive: true });
  });
  beforeEach(() => {
    out = "";
    notices = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += stripVTControlCharacters(String(text))), true));
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((notices += stripVTControlCharacters(String(text))), true));
  });
  afterEach(() => void vi.restoreAllMocks());

  const hello = join(ROOT, "templates", "hello.yaml");
  const options = (output: "table" | "json" | "yaml") => ({ url: at.url, token: at.token, output });
  const file = (name: string, document: unknown): string => {
    writeFileSync(join(dir, name), JSON.stringify(document));
    return join(dir, name);
  };
  const newestRun = async () => (await at.client.listRuns({ query: { limit: 1 } })).items[0]?.id ?? "";

  test("run saves a file, follows the run and prints its output; a second time it is the same workflow", async () => {
    expect(await runFile(hello, ["name=Ada"], options("json"))).toBe(0);
    expect(JSON.parse(out)).toEqual({ greeting: "Hello, Ada!" });
    expect(notices).toMatch(/Hello.* version 1/);
    expect(notices).toMatch(/✓.* greet/);
    expect(await runFile(hello, ['{"name":"Bob"}'], options("table"))).toBe(0);
    expect(out).toContain("greeting: Hello, Bob!");
    expect((await at.client.listWorkflows({ query: {} })).items).toHaveLength(1);
  });

  test("run says why a run failed, with the remedy", async () => {
    const nodes = [
      { id: "start", type: "start" },
      { id: "sum", type: "transform", data: { output: "=input.name + 1" } },
      { id: "end", type: "end" },
    ];
    const edges = [
      { id: "a", source: "start", target: "sum" },
      { id: "b", source: "sum", target: "end" },
    ];
    expect(await runFile(file("broken.json", { version: 2, name: "Broken", nodes, edges }), ["name=x"], options("table"))).toBe(1);
    expect(notices).toMatch(/✗.* sum expression_failed/);
    expect(notices).toMatch(/failed.*expression_failed/);
  });

  test("validate needs no server and names each problem with its place", () => {
    expect(validateFile(hello, "table")).toBe(0);
    expect(
      validateFile(
        file("bad.json", { version: 2, name: "Bad", nodes: [{ id: "a", type: "transform", data: { output: "=1 +" } }], edges: [] }),
        "table",
      ),
    ).toBe(1);
    expect(out).toMatch(/nodes\[0\]\.data\.output/);
    out = "";
    expect(validateFile(file("worse.json", { version: 3 }), "json")).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ valid: false });
  });

  test("runs are listed, shown, followed and retried; a finished one cannot be cancelled", async () => {
    const id = await newestRun();
    await runs.listRuns(at.client, { limit: "20", status: "succeeded", output: "table" });
    expect(out).toMatch(/Hello\s+1/);
    out = "";
    await runs.showRun(at.client, id, "json");
    expect(JSON.parse(out)).toMatchObject({ id });
    expect(await runs.followRun(at.client, id)).toBe(1);
    await runs.retryRun(at.client, id);
    expect(notices).toMatch(/Started/);
    await expect(runs.cancelRun(at.client, id, undefined)).rejects.toMatchObject({ code: "run_transition_invalid" });
    await expect(runs.resumeRun(at.client, id, { answer: "happened" })).rejects.toMatchObject({ code: "run_not_waiting" });
  });

  test("runs are forked, paused, signalled and resumed; only a dead one is requeued", async () => {
    const nodes = [
      { id: "start", type: "start" },
      { id: "wait", type: "wait", data: { signal: "go" } },
      { id: "end", type: "end", data: { output: "=[steps.wait, input.n, context.k]" } },
    ];
    const edges = [
      { id: "a", source: "start", target: "wait" },
      { id: "b", source: "wait", target: "end" },
    ];
    const workflow = await at.client.createWorkflow({ body: { name: "Waits", definition: { version: 2, name: "Waits", nodes, edges } } });
    const { id } = await at.client.startRun({ params: { id: workflow.id }, body: { input: { n: 1 } } });
    await runs.pauseRun(at.client, id, "lunch");
    expect(notices).toContain(`${id} is paused.`);
    await runs.signalRun(at.client, { id, signal: "go" }, ["by=noon"]);
    await runs.resumeRun(at.client, id, {});
    expect(await at.client.waitForRun(id)).toMatchObject({ status: "succeeded", output: [{ by: "noon" }, 1] });
    notices = "";
    await runs.forkRun(at.client, id, { node: "end", input: ["n=2"], context: ["k=3"] });
    const forked = /Started (\S+)\./.exec(notices)?.[1] ?? "";
    expect(await at.client.awaitRun({ params: { id: forked } })).toMatchObject({ output: [{ by: "noon" }, 2, 3], parentRunId: id });
    await expect(runs.forkRun(at.client, id, { node: "nowhere" })).rejects.toMatchObject({ code: "fork_point_unknown" });
    await expect(runs.requeueRun(at.client, id)).rejects.toMatchObject({ code: "run_transition_invalid" });
    await expect(runs.resumeRun(at.client, id, { node: "wait" })).rejects.toThrow(/--answer/);
    out = "";
    await runs.listRuns(at.client, { limit: "20", dead: true, output: "json" });
    expect(JSON.parse(out)).toEqual([]);
  });

  test("MCP servers are imported, listed, called and controlled", async () => {
    const script = join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    const servers = file("servers.json", { mcpServers: { everything: { command: process.execPath, args: [script, "stdio"] } } });
    await mcpImport.importServers(at.client, servers, { output: "table" });
    expect(notices).toMatch(/everything is READY\. It lists \d+ tools\./);
    await mcp.listServers(at.client, { output: "table" });
    expect(out).toMatch(/everything\s+READY/);
    await mcpTools.listTools(at.client, { output: "yaml" });
    expect(out).toMatch(/name: echo/);
    out = "";
    expect(await mcp.callTool(at.client, "everything/echo", { input: ["message=hi"], output: "json" })).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ text: expect.stringContaining("hi") });
    await expect(mcp.callTool(at.client, "everything/none", { input: [], output: "json" })).rejects.toThrow(/no tool/);
    out = "";
    await mcp.showLogs(at.client, "everything", { grep: "ready", lines: "5", output: "table" });
    expect(out).toMatch(/^\S+ event READY\n$/);
    const { id } = await serverNamed(at.client, "everything");
    const aborting = new AbortController();
    const following = at.client.followServerLogs({ params: { id }, query: { q: "stop", after: 0 }, headers: {}, signal: aborting.signal });
    const next = following.next();
    await control.controlServer(at.client, "everything", { act: control.stop, output: "table" });
    expect((await next).value).toMatchObject({ stream: "event", text: "STOPPING" });
    await following.return(undefined);
    aborting.abort();
    expect(await at.client.downloadServerLogs({ params: { id }, query: { stream: "event" } })).toMatch(
      /STARTING\n(.*\n)*.*READY\n(.*\n)*.*STOPPED\n/,
    );
    expect(notices).toContain("everything is STOPPED");
    await expect(control.controlServer(at.client, "nothing", { act: control.stop, output: "table" })).rejects.toThrow(/no MCP server/);
  });

  test("MCP servers are taken out with a reason, released, looked into and removed", async () => {
    const act = (name: string, act: Parameters<typeof control.controlServer>[2]["act"], output: "table" | "json" = "table") =>
      control.controlServer(at.client, name, { act, output });
    await mcpCatalogue.addWellKnown(at.client, "everything", { name: "suspect", output: "table" });
    await act("suspect", control.quarantine("It asks\nfor keys."));
    expect(notices).toContain("suspect is QUARANTINED.");
    await mcp.listServers(at.client, { output: "table" });
    expect(out).toMatch(/suspect\s+QUARANTINED .* It asks for keys\./);
    await expect(mcp.callTool(at.client, "suspect/echo", { input: ["message=hi"], output: "json" })).rejects.toMatchObject({
      code: "mcp_server_quarantined",
    });
    await expect(act("suspect", control.start)).rejects.toMatchObject({ code: "mcp_server_quarantined" });
    out = "";
    await control.showServer(at.client, "suspect", "table");
    expect(parse(out)).toMatchObject({ name: "suspect", state: "QUARANTINED", quarantine: { reason: "It asks\nfor keys." } });
    out = "";
    await act("suspect", control.release, "json");
    expect(JSON.parse(out)).toMatchObject({ quarantine: null, desired: "running" });
    await expect(act("suspect", control.release)).rejects.toMatchObject({ code: "conflict" });
    await act("suspect", control.restart);
    expect(notices).toContain("suspect is READY.");
    await mcp.callTool(at.client, "suspect/echo", { input: ["message=hi"], output: "json" });
    out = "";
    await control.listProcesses(at.client, "suspect", "table");
    expect(out.trim().split("\n").length).toBeGreaterThanOrEqual(3);
    out = "";
    await control.listCalls(at.client, "suspect", "table");
    expect(out).toMatch(/echo\s+0 of \d+\s+0\s+closed\s+\S+\s+\S+\s+1 ok/);
    await control.removeServer(at.client, "suspect");
    await expect(control.removeServer(at.client, "suspect")).rejects.toThrow(/no MCP server/);
  });

  test("a launch that somebody else has changed runs once it is approved, and what it runs is said", async () => {
    const designer = createClient({ url: at.url, token: await addMember(await at.sql(), { role: "designer", name: "the designer" }) });
    await mcpCatalogue.addWellKnown(at.client, "memory", { name: "changed", output: "table" });
    const script = join(ROOT, "test/support/mcp/hostile-server.ts");
    const launch = file("another.json", { transport: "stdio", command: "env", args: [process.execPath, script] });
    await mcpUpdate.updateServer(designer, "changed", { launch, output: "table" });
    expect(notices).toContain("waits for approval: `auterity mcp approve-launch changed`");
    await expect(control.approveLaunch(designer, "changed", { output: "table" })).rejects.toMatchObject({ code: "permission_denied" });
    out = "";
    const { launchHash } = await serverNamed(at.client, "changed");
    const old = control.approveLaunch(at.client, "changed", { output: "table", hash: "0".repeat(64) });
    await expect(old).rejects.toMatchObject({ code: "conflict" });
    expect(await serverNamed(at.client, "changed")).toMatchObject({ launchApproved: false, launchHash });
    await control.approveLaunch(at.client, "changed", { output: "table", hash: launchHash });
    expect(out).toContain(`changed may run env ${process.execPath} ${script}`);
    expect(out).toContain("! starts_another: ");
    expect(await serverNamed(at.client, "changed")).toMatchObject({ launchApproved: true });
    out = "";
    await control.approveLaunch(at.client, "changed", { output: "json" });
    expect(JSON.parse(out)).toMatchObject({ launchApproved: true });
  });

  test("what a server hides in its texts reaches neither terminal nor pipe", async () => {
    const hidden = [...CONTROL_CHARACTERS, ...INVISIBLE_CHARACTERS, ...TAG_CHARACTERS].map(([, character]) => character).join("a");
    const description = `Adds.${hidden}👩‍👩‍👧‍👦 ${TERMINAL_SEQUENCES.map(([, text]) => text).join(" ")}`;
    const tools = [{ name: "conceal", description, inputSchema: { type: "object" } }];
    const changing = await changingServer({ tools });
    await at.client.createMcpServer({ body: { name: "hides", launch: changing.launch } });
    const read = { json: (text: string): unknown => JSON.parse(text), yaml: (text: string): unknown => parse(text) };
    const { items } = await at.client.listTools({ query: { q: "conceal" } });
    expect(items).toMatchObject([{ description, approval: "pending" }]);
    for (const format of ["json", "yaml"] as const) {
      out = "";
      await mcpTools.listTools(at.client, { search: "conceal", output: format });
      expect(out).not.toMatch(FORBIDDEN_OUTPUT);
      expect(read[format](out)).toEqual(items);
    }
    out = "";
    await mcpTools.listTools(at.client, { output: "table" });
    await mcpTools.showDiff(at.client, "hides/conceal", { output: "table" });
    expect(out).not.toMatch(FORBIDDEN_OUTPUT);
    expect(out).toContain("Adds.⟦U+0000⟧a⟦U+0001⟧");
    await changing.remove();
  });

  test("MCP servers are previewed, added from the catalogue and changed", async () => {
    out = "";
    const line = "npx -y @scope/some-mcp-server --token ${input:token}";
    await mcpImport.importServers(at.client, line, { preview: true, output: "table" });
    expect(out).toMatch(/some\s+some\s+npx -y @scope\/some-mcp-server --token secret:some_token/);
    expect(notices).toContain("--input token=…");
    await expect(mcpImport.importServers(at.client, line, { output: "table" })).rejects.toMatchObject({ code: "request_invalid" });
    out = "";
    await mcpImport.importServers(at.client, "https://mcp.example.com/mcp", { preview: true, output: "json" });
    expect(JSON.parse(out)).toMatchObject({ format: "url", items: [{ name: "example" }] });
    out = "";
    await mcpCatalogue.listWellKnown(at.client, ["file", "folders"], "table");
    expect(out).toMatch(/filesystem\s+files\s+folder, \[second_folder\]/);
    await mcpCatalogue.addWellKnown(at.client, "memory", { name: "remembers", env: "test", output: "table" });
    expect(notices).toContain("remembers is READY.");
    await expect(mcpImport.importServers(at.client, "no-such-file.json", { output: "table" })).rejects.toThrow(/no file/);
    const launch = file("launch.yaml", { transport: "stdio", command: process.execPath, args: ["-e", "process.exit(3)"] });
    const change = { name: "forgets", description: "Forgets", launch, output: "json" } as const;
    out = "";
    expect(await mcpUpdate.updateServer(at.client, "remembers", change)).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ name: "forgets", lastError: { code: "mcp_exited" } });
    expect(notices).toMatch(/mcp_exited: .*exit code 3.*\n.*`auterity mcp test forgets`/);
    expect(await serverNamed(at.client, "forgets")).toMatchObject({ description: "Forgets", warnings: [{ code: "inline_code" }] });
    const yaml = file("servers.yaml", { mcpServers: { forgets: { command: "x" }, other: { command: "x" } } });
    await mcpImport.importServers(at.client, yaml, {
      only: ["forgets=third"],
      start: false,
      onClash: "skip",
      env: "test",
      output: "table",
    });
    expect(notices).toContain("third is STOPPED.");
    out = "";
    await mcpImport.importServers(at.client, "no-such-command-here --fast", { output: "json" });
    expect(JSON.parse(out)).toMatchObject({ items: [{ name: "no-such-command-here", state: "FAILED" }], skipped: [] });
    expect(notices).toMatch(/no-such-command-here is FAILED\.\n {2}mcp_command_not_found: /);
    // Each environment may have one of this name: which of the two is meant?
    await mcpCatalogue.addWellKnown(at.client, "memory", { name: "third", start: false, output: "table" });
    const ids = (await at.client.listMcpServers({ query: { name: "third" } })).items.map(({ id }) => id);
    expect(ids).toHaveLength(2);
    await expect(control.removeServer(at.client, "third")).rejects.toThrow(new RegExp(`2 MCP servers.*${ids[0]} in production`));
    await control.removeServer(at.client, ids[0] ?? "");
    expect(await serverNamed(at.client, "third")).toMatchObject({ id: ids[1], environment: "test" });
  });

  test("schedules are added by a workflow's name, listed, fired and removed", async () => {
    const options = { zone: "Europe/Berlin", overlap: "skip", catchUp: "one", input: ["name=Ada"] };
    await triggers.addSchedule(at.client, { workflow: "Hello", cron: "0 9 * * 1" }, options);
    const id = /Schedule (\S+) fires next at \d{4}-/.exec(notices)?.[1] ?? "";
    await triggers.listSchedules(at.client, "table");
    expect(out).toMatch(/Hello\s+0 9 \* \* 1\s+Europe\/Berlin\s+skip/);
    await triggers.fireSchedule(at.client, id);
    expect(notices).toMatch(/Started/);
    out = "";
    await triggers.listSlots(at.client, id, "table");
    expect(out).toContain("fired");
    await triggers.removeSchedule(at.client, id);
    await expect(triggers.removeSchedule(at.client, id)).rejects.toMatchObject({ code: "not_found" });
    await expect(triggers.addSchedule(at.client, { workflow: "Nothing", cron: "0 9 * * 1" }, options)).rejects.toThrow(/no workflow/);
    await expect(triggers.addSchedule(at.client, { workflow: "Hello", cron: "soon" }, options)).rejects.toMatchObject({
      code: "schedule_invalid",
    });
  });

  test("webhooks print their secret when they are made and rotated, and never else", async () => {
    await triggers.addWebhook(at.client, "Hello", { scheme: "github", output: "json" });
    const { id, secret } = JSON.parse(out);
    out = "";
    await triggers.listWebhooks(at.client, "table");
    expect(out).toMatch(/Hello\s+\/hooks\/\S+\s+hmac in x-hub-signature-256/);
    await triggers.rotateWebhook(at.client, id, "table");
    expect(out).toMatch(/secret: awh_/);
    expect(out).not.toContain(secret);
    await triggers.removeWebhook(at.client, id);
    expect((await at.client.listWebhooks({ query: {} })).items).toEqual([]);
  });

  test("the demo sets itself up through the public API, twice, and prints its report", async () => {
    const signal = new AbortController().signal;
    for (let start = 0; start < 2; start += 1) {
      const demo = await startDemo(at.platform, { dataDir: at.config.dataDir, signal });
      await demo.run();
      await demo.stop();
    }
    expect(out.match(/✓ succeeded/g)).toHaveLength(2);
    expect(out).toContain("# Service desk triage");
    out = "";
    await agents.listAgents(at.client, "table");
    expect(out).toMatch(/facts\s+custom/);
    expect(out).toMatch(/urgency\s+a2a/);
  });
});
