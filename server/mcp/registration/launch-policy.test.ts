import { expect, test } from "vitest";
import type { Launch } from "#contract/mcp/servers.ts";
import { policyIssues } from "./launch-policy.ts";

const launch = (change: object = {}): Launch => ({ transport: "stdio", command: "npx", args: ["-y", "x"], env: {}, ...change });
const places = { folders: ["/srv/mcp", "/data"] };

test("without a policy nothing is refused", () => {
  expect(policyIssues(launch({ command: "/opt/anything", cwd: "/home/a", args: ["/"] }), {})).toEqual([]);
});

test.each(["node", "/usr/bin/npx", "npx2", "./npx", "NPX"])("the command %s is not the allowed npx", (command) => {
  expect(policyIssues(launch({ command }), { commands: ["npx", "uvx"] })).toMatchObject([
    { path: "launch.command", code: "command_not_allowed", message: expect.stringContaining("npx, uvx") },
  ]);
});

test("an allowed command runs, and an empty list allows none", () => {
  expect(policyIssues(launch(), { commands: ["npx"] })).toEqual([]);
  expect(policyIssues(launch(), { commands: [] })).toHaveLength(1);
});

test.each([
  [{ cwd: "/srv" }, "launch.cwd"],
  [{ cwd: "/srv/mcp2" }, "launch.cwd"],
  [{ cwd: "/srv/mcp/../../etc" }, "launch.cwd"],
  [{ args: ["-y", "/etc"] }, "launch.args[1]"],
  [{ args: ["--root=/etc/ssh"] }, "launch.args[0]"],
  [{ args: ["/data/../root"] }, "launch.args[0]"],
  [{ sandbox: { read: ["/data", "/home"], write: [], network: "none" } }, "launch.sandbox.read[1]"],
  [{ sandbox: { read: [], write: ["/"], network: "none" } }, "launch.sandbox.write[0]"],
])("%j names a folder that is not allowed", (change, path) => {
  expect(policyIssues(launch(change), places)).toMatchObject([{ path, code: "folder_not_allowed" }]);
});

test.each([
  { cwd: "/srv/mcp" },
  { cwd: "/srv/mcp/a/b" },
  { args: ["/data/x", "--root=/data", "-y", "a/b", "https://example.com/etc"] },
  { sandbox: { read: ["/data/x"], write: ["/srv/mcp"], network: "none" } },
])("%j is allowed", (change) => {
  expect(policyIssues(launch(change), places)).toEqual([]);
});

test("an address is no business of it", () => {
  expect(policyIssues({ transport: "http", url: "https://example.com/mcp", headers: {} }, { commands: [], folders: [] })).toEqual([]);
});
