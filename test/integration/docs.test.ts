import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { WorkflowNode } from "#contract/definition.ts";
import { Policy } from "#contract/policy.ts";
import { readConfig } from "#server/main.ts";
import { runCli, type CliResult } from "#test/support/cli.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "#test/support/eventually.ts";
import { askedInRun } from "#test/support/mcp/asked-in-run.ts";
import { PlatformProcess, TOKEN } from "#test/support/platform.ts";
import { ROOT } from "#test/support/source-files.ts";

const DOCUMENTS = ["README.md", ...readdirSync(join(ROOT, "docs/guides")).map((name) => `docs/guides/${name}`)];
const textOf = (document: string): string => readFileSync(join(ROOT, document), "utf8");

/** The fenced blocks of one language, without their fences. */
const fenced = (document: string, language: string): string[] =>
  [...textOf(document).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, kind, block]) => (kind === language ? [block ?? ""] : []));

/** Every line of a shell block is a command; what follows two blanks and a `#` explains it. */
const commandsOf = (document: string): string[] =>
  fenced(document, "sh").flatMap((block) =>
    block
      .split("\n")
      .map((line) => line.replace(/\s+#.*$/, "").trim())
      .filter((line) => line !== ""),
  );

const platform = new PlatformProcess();
const folder = mkdtempSync(join(tmpdir(), "auterity-docs-"));
const FILESYSTEM = join(ROOT, "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
/** The files that a reader has, or has copied out of a guide. */
const FILES: Readonly<Record<string, string>> = Object.fromEntries(
  ["servers.json", "mine.json", "list.yaml"].map((name) => [name, join(folder, name)]),
);
const save = (name: string, text: string): void => writeFileSync(join(folder, name), text);

beforeAll(async () => {
  const guide = "docs/guides/mcp-servers.md";
  const [mine = ""] = fenced(guide, "json");
  // What the package runner would bring is installed here.
  const spec = `@modelcontextprotocol/server-filesystem@${versionOf("server-filesystem")}`;
  const Reports = z.object({ command: z.literal("npx"), args: z.tuple([z.literal("-y"), z.literal(spec), z.string()]) });
  const { reports } = z.object({ mcpServers: z.object({ reports: Reports }) }).parse(JSON.parse(mine)).mcpServers;
  const launch = { command: process.execPath, args: [FILESYSTEM, reports.args[2]] };
  save("mine.json", JSON.stringify({ mcpServers: { reports: launch } }));
  save("servers.json", JSON.stringify({ mcpServers: { files: launch } }));
  save("list.yaml", fenced(guide, "yaml")[0] ?? "");
  await platform.start();
});
const versionOf = (name: string): string =>
  z.object({ version: z.string() }).parse(JSON.parse(textOf(`node_modules/@modelcontextprotocol/${name}/package.json`))).version;
afterAll(async () => {
  await platform.dispose();
  rmSync(folder, { recursive: true });
});

/** `npx auterity …` of a clone is `cli/main.ts`; the running platform is found through the same settings as by a person. */
function auterity(
  command: string,
  change: Readonly<Record<string, string>> = {},
  ending: Parameters<typeof runCli>[2] = {},
): Promise<CliResult> {
  const words = [...command.matchAll(/"([^"$]*)"|'([^']*)'|(\S+)/g)].map(
    ([, quoted, raw, plain = ""]) => quoted ?? raw ?? change[plain] ?? FILES[plain] ?? plain,
  );
  expect(words.slice(0, 2)).toEqual(["npx", "auterity"]);
  const env = { AUTERITY_DATA_DIR: platform.dataDir, AUTERITY_PORT: String(platform.port), AUTERITY_BOOTSTRAP_TOKEN: TOKEN };
  return runCli(words.slice(2), env, ending);
}

type Way = (command: string) => Promise<void>;
const showing =
  (...parts: readonly string[]): Way =>
  async (command) => {
    const { code, stdout, stderr } = await auterity(command);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (const part of parts) expect(stdout + stderr).toContain(part);
  };

/** A run that asks somebody. */
async function waitForDecision(): Promise<void> {
  const { client } = platform;
  const ask = { id: "ask", type: "approval", data: { approvers: ["role:owner"], message: "Ship it?" } };
  const definition = {
    version: 2,
    name: "Asks",
    nodes: [{ id: "start", type: "start" }, ask, { id: "end", type: "end" }],
    edges: [
      { id: "a", source: "start", target: "ask" },
      { id: "b", source: "ask", target: "end" },
    ],
  };
  const { id } = await client.createWorkflow({ body: { name: `Asks ${newId()}`, definition } });
  await client.startRun({ params: { id }, body: {} });
  await eventually(
    () => client.listApprovals({ query: {} }),
    ({ items }) => items.length > 0,
  );
}

/** How each command of the documents is carried out here. One that is not listed fails. */
const WAYS: Readonly<Record<string, Way>> = {
  // Installs, and runs the bundled workflow: the end-to-end test does it whole. Here, that it hands over to what runs already.
  "npm start": async () => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(textOf("package.json")));
    expect(scripts["start"]).toBe("node bin/start.mjs");
    expect(textOf("bin/start.mjs")).toContain("main.ts");
    expect(await platform.client.readyz()).toMatchObject({ status: "ready" });
  },
  "npx auterity run templates/hello.yaml name=Ada": showing("Hello, Ada!"),
  "npx auterity validate templates/hello.yaml": showing("templates/hello.yaml is valid."),
  "npx auterity runs": showing("STATUS"),
  "npx auterity mcp": showing("NAME"),
  "npx auterity runs list --dead": showing("None found."),
  // The web app may not be built where tests run; everything else has to be well.
  "npx auterity approvals": async (command) => {
    await waitForDecision();
    await showing("Ship it?", "role:owner", "0 of 1")(command);
  },
  "npx auterity doctor": async (command) => {
    const { code, stdout } = await auterity(command);
    const wrong = stdout.split("\n").filter((line) => line.includes("✗"));
    expect(wrong.filter((line) => !line.includes("web app"))).toEqual([]);
    expect(code).toBe(wrong.length === 0 ? 0 : 1);
    for (const part of ["Node", "data dir", "database", "a platform answers"]) expect(stdout).toContain(part);
  },
  "npx auterity workflows live-runs Hello": showing(),
  "npx auterity workflows move Hello ask=ask_customer": showing("0 moved to version 1, 0 refused."),
  "npx auterity schedules add Hello @daily --zone Europe/Berlin --input name=Ada": showing("fires next at"),
  "npx auterity schedules": showing("Europe/Berlin"),
  "npx auterity webhooks add Hello --scheme github": showing("/hooks/", "secret: awh_"),
  "npx auterity webhooks": showing("hmac in x-hub-signature-256"),
  // The reader brings the file.
  "npx auterity mcp import servers.json": async (command) => {
    expect(await auterity(command)).toMatchObject({ code: 0, stderr: expect.stringMatching(/^files is READY\. It lists \d+ tools\.\n$/) });
  },
  "npx auterity mcp import servers.json --preview": async (command) => {
    const { code, stdout } = await auterity(command);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/files\s+files/)]);
  },
  "npx auterity mcp import mine.json --preview": showing("reports", "server-filesystem", "unconfined"),
  "npx auterity mcp import mine.json": async (command) => {
    expect(await auterity(command)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^reports is READY\. It lists \d+ tools\.\n$/),
    });
  },
  "npx auterity mcp tools --search directory": showing("reports", "list_directory", "approved"),
  "npx auterity mcp call reports/list_directory path=/tmp": showing(folder.replace("/tmp/", "")),
  "npx auterity mcp frames reports --tool list_directory": showing("tools/call", "response"),
  "npx auterity run list.yaml folder=/tmp": showing(folder.replace("/tmp/", "")),
  'curl -H "authorization: Bearer $(cat .auterity/owner-token)" "http://127.0.0.1:4600/api/v1/tools?q=directory"': async (command) => {
    const [url = ""] = /http:[^"]+/.exec(command) ?? [];
    const { pathname, search } = new URL(url);
    const token = readFileSync(join(platform.dataDir, "owner-token"), "utf8").trim();
    const answer = await fetch(`${platform.url}${pathname}${search}`, { headers: { authorization: `Bearer ${token}` } });
    expect(await answer.text()).toContain('"reports"');
  },
  "npx auterity mcp remove reports": showing("reports is deleted."),
  "npx auterity mcp import 'npx -y @acme/crm-mcp-server@1.4.0 --token ${input:token}' --preview": showing(
    "crm",
    "secret:crm_token",
    "token",
  ),
  "npx auterity mcp catalogue web": showing("brave-search", "key"),
  "npx auterity mcp add memory --name notes": showing("notes is READY."),
  "npx auterity mcp update notes --description Facts --set idleTimeoutMs=60000": showing("notes is READY."),
  "npx auterity mcp get notes": showing("name: notes", "state: READY", "quarantine: null"),
  "npx auterity mcp remove notes": showing("notes is deleted."),
  "npx auterity mcp approve-launch files": showing("files may run ", "server-filesystem", "files is READY."),
  "npx auterity mcp stop files": showing("files is STOPPED."),
  "npx auterity mcp start files": showing("files is READY."),
  "npx auterity mcp restart files": showing("files is READY."),
  "npx auterity mcp processes files": showing("MEMORY MIB"),
  "npx auterity mcp calls files": showing("list_directory", "closed"),
  'npx auterity mcp quarantine files --reason "It reads more than it should."': showing("files is QUARANTINED."),
  "npx auterity mcp release files": showing("files is "),
  // None has failed, and none waits.
  "npx auterity mcp list --state FAILED": showing("None found."),
  "npx auterity mcp list --approval waiting --env production": showing("None found."),
  "npx auterity mcp list --search notes": showing("notes", "READY"),
  "npx auterity mcp tools": showing("list_directory", "approved"),
  // Nothing has changed and nothing waits.
  "npx auterity mcp tools --pending": showing("None found."),
  "npx auterity mcp tools --flagged": showing("None found."),
  "npx auterity mcp diff files/read_file": showing("files/read_file is approved", "Nothing differs."),
  "npx auterity mcp approve files/read_file": showing("files/read_file is approved"),
  "npx auterity mcp approve --all --server files": showing("Nothing waits for a decision."),
  'npx auterity mcp reject files/read_file --reason "It asks for keys."': showing("files/read_file is rejected"),
  'npx auterity mcp disable files/read_file --reason "Too slow today."': showing("files/read_file is disabled."),
  "npx auterity mcp check files": showing("Nothing keeps files from starting"),
  "npx auterity mcp test files": showing("handshake", "sample_call", "files works: protocol 2025-11-25"),
  "npx auterity mcp logs files": showing("READY"),
  "npx auterity mcp questions": async (command) => {
    const { serverName, runId } = await askedInRun(platform.client);
    await showing(serverName, "introduce", runId, "Who are you?")(command);
  },
  // The reader takes the id from the list.
  "npx auterity mcp answer QUESTION_ID --accept name=Anna age=7": async (command) => {
    const { id, runId } = await askedInRun(platform.client);
    expect(await auterity(command, { QUESTION_ID: id })).toMatchObject({ code: 0, stderr: `${id} is answered: accept.\n` });
    expect(await platform.client.waitForRun(runId)).toMatchObject({ output: "You are Anna, 7." });
  },
  "npx auterity mcp answer OTHER_QUESTION --decline": async (command) => {
    const { id, runId } = await askedInRun(platform.client);
    expect(await auterity(command, { OTHER_QUESTION: id })).toMatchObject({ code: 0, stderr: `${id} is answered: decline.\n` });
    expect(await platform.client.waitForRun(runId)).toMatchObject({ output: "You did not say." });
  },
  // The reader's shell knows where the clone is.
  'npx auterity mcp import "node $PWD/test/support/mcp/hostile-server.ts poisoned no-ping"': (command) =>
    showing("hostile is READY.")(command.replace("$PWD", ROOT)),
  "npx auterity mcp test hostile": showing("hostile works: protocol 2025-11-25"),
  "npx auterity mcp logs hostile": showing("READY"),
  "npx auterity mcp remove hostile": showing("hostile is deleted."),
  // Goes on until somebody has seen enough.
  "npx auterity mcp logs files -f --grep error": async (command) => {
    expect(await auterity(command, {}, { interruptAfterMs: 3_000 })).toEqual({ code: null, stdout: "", stderr: "" });
  },
  "npx auterity mcp call files/list_directory path=/tmp": showing(folder.replace("/tmp/", "")),
  // Into a folder of this test instead of the one that the command is given in.
  "npx auterity backup auterity.backup": async (command) => {
    const file = join(folder, "auterity.backup");
    expect(await auterity(command, { "auterity.backup": file })).toMatchObject({ code: 0 });
    expect(existsSync(file)).toBe(true);
  },
};

/** In the order in which a reader who begins at the top would give them; servers must exist before they are listed. */
const given = ["docs/guides/agents.md", ...DOCUMENTS.filter((document) => document !== "docs/guides/agents.md")].flatMap((document) =>
  commandsOf(document).map((command) => ({ document, command })),
);

describe("the documents' commands", () => {
  test.each([{ document: "docs/guides/workflows.md", command: "npx auterity run templates/hello.yaml name=Ada" }, ...given])(
    "$document: $command",
    async ({ command }) => {
      const way = WAYS[command];
      if (!way) throw new Error(`Nobody has said how to try \`${command}\`; add it to WAYS.`);
      await way(command);
    },
  );

  test("are all that is listed here", () => {
    const commands = new Set(given.map(({ command }) => command));
    expect(Object.keys(WAYS).filter((command) => !commands.has(command))).toEqual([]);
  });
});

describe("what the documents say", () => {
  test.each(DOCUMENTS)("%s links to files that exist", (document) => {
    const links = [...textOf(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target ?? "");
    const files = links.filter((target) => !/^[a-z]+:/.test(target));
    expect(files.filter((target) => !existsSync(join(ROOT, dirname(document), target)))).toEqual([]);
  });

  test("names only settings that exist, and all of them", () => {
    const operations = textOf("docs/guides/operations.md");
    const named = new Set(DOCUMENTS.flatMap((document) => [...textOf(document).matchAll(/\bAUTERITY_[A-Z_]+\b/g)].map(([name]) => name)));
    const env = Object.fromEntries([...named].map((name) => [name, ""]));
    expect(readConfig(env).warnings).toEqual([]);
    const known = [
      ...readFileSync(join(ROOT, "server/config.ts"), "utf8").matchAll(/^ {2}((?:AUTERITY|DATABASE|REDIS|OPENAI|OTEL)_[A-Z_]+):/gm),
    ];
    const silent = new Set(["OTEL_SERVICE_NAME"]);
    expect(known.length).toBeGreaterThan(8);
    expect(known.map(([, name]) => name ?? "").filter((name) => !silent.has(name) && !operations.includes(name))).toEqual([]);
  });

  test("shows nodes and policies that a definition may have", () => {
    const guides = ["docs/guides/workflows.md", "docs/guides/control.md"];
    const blocks = guides.flatMap((guide) => fenced(guide, "yaml")).map((block) => parse(block));
    expect(blocks.length).toBeGreaterThan(0);
    const Shown = z.union([z.array(WorkflowNode), z.object({ policy: Policy })]);
    for (const block of blocks) expect(Shown.safeParse(block)).toMatchObject({ success: true });
  });
});
