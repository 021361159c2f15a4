import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { planImport } from "../registration/plan-import.ts";
import { splitCommandLine } from "./command-line.ts";
import { nameOfAddress, nameOfCommand, toSlug } from "./names.ts";
import { readDocument } from "./read-document.ts";
import { looksSecret } from "./secret-values.ts";
import { fillIn, variablesIn } from "./variables.ts";

const read = (document: string | Record<string, never> | object) =>
  readDocument({ document: typeof document === "string" ? document : JSON.parse(JSON.stringify(document)) });
const stdio = (command: string, args: string[] = [], env: Record<string, string> = {}) => ({ transport: "stdio", command, args, env });
const http = (url: string, headers: Record<string, string> = {}) => ({ transport: "http", url, headers });

describe("the import matrix", () => {
  test.each<[string, string | object, string, Record<string, object>]>([
    [
      "Claude Desktop",
      {
        mcpServers: {
          files: { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"], env: { A: "1" }, cwd: "/srv" },
        },
      },
      "mcpServers",
      { files: { ...stdio("npx", ["-y", "@modelcontextprotocol/server-filesystem", "/srv"], { A: "1" }), cwd: "/srv" } },
    ],
    [
      "Cursor, remote",
      { mcpServers: { a: { url: "https://a.example/mcp", headers: { Authorization: "Bearer x" } } } },
      "mcpServers",
      { a: http("https://a.example/mcp", { Authorization: "Bearer x" }) },
    ],
    ["Windsurf, remote", { mcpServers: { a: { serverUrl: "https://a.example/sse" } } }, "mcpServers", { a: http("https://a.example/sse") }],
    [
      "VS Code, as its editor writes it",
      `{
        // what people are asked for
        "inputs": [{ "id": "key", "type": "promptString", "description": "API key", "password": true },],
        /* and where it goes */
        "servers": { "search": { "type": "stdio", "command": "npx", "args": ["search // not a comment"], "env": { "KEY": "\${input:key}", "N": 3, "GONE": null, }, }, },
      }`,
      "vscode",
      { search: stdio("npx", ["search // not a comment"], { KEY: "${input:key}", N: "3" }) },
    ],
    [
      "VS Code's settings",
      { mcp: { servers: { a: { type: "http", url: "https://a.example" } } } },
      "vscode",
      { a: http("https://a.example") },
    ],
    [
      "Inspector",
      {
        mcpServers: {
          a: { type: "streamable-http", url: "https://a.example" },
          b: { type: "sse", url: "https://b.example/sse" },
          c: { type: "stdio", command: "c" },
          d: { type: "http", url: "https://d.example" },
        },
      },
      "mcpServers",
      {
        a: { ...http("https://a.example"), type: "streamable-http" },
        b: { ...http("https://b.example/sse"), type: "sse" },
        c: stdio("c"),
        d: http("https://d.example"),
      },
    ],
    [
      "servers by name, without a wrapper",
      { one: { command: "x" }, two: { url: "https://two.example" } },
      "mcpServers",
      { one: stdio("x"), two: http("https://two.example") },
    ],
    [
      "one server",
      { command: "uvx", args: ["mcp-server-git==1.0.0", "--repository", "/srv"] },
      "server",
      { git: stdio("uvx", ["mcp-server-git==1.0.0", "--repository", "/srv"]) },
    ],
    ["one server with its name", '{"name": "mine", "url": "https://a.example/mcp"}', "server", { mine: http("https://a.example/mcp") }],
    ["a part of a document, as a README shows it", `"files": {\n  "command": "x", // here\n},`, "mcpServers", { files: stdio("x") }],
    ["a whole part", `"mcpServers": { "files": { "command": "x" } }`, "mcpServers", { files: stdio("x") }],
    [
      "a quoted Windows path",
      `'C:\\Program Files\\x.exe' "C:\\Users\\a b\\x.js"`,
      "command",
      { x: stdio("C:\\Program Files\\x.exe", ["C:\\Users\\a b\\x.js"]) },
    ],
    ["an address", "  https://mcp.linear.app/mcp\n", "url", { linear: http("https://mcp.linear.app/mcp") }],
    [
      "npx",
      "npx -y @modelcontextprotocol/server-memory",
      "command",
      { memory: stdio("npx", ["-y", "@modelcontextprotocol/server-memory"]) },
    ],
    ["variables with spaces of their own", `KEY=' a ' x`, "command", { x: stdio("x", [], { KEY: " a " }) }],
    [
      "npx after a prompt, with variables",
      `$ KEY='a b' MODE=fast npx -y "my server" --dir=$HOME/x`,
      "command",
      { "my server": stdio("npx", ["-y", "my server", "--dir=${HOME}/x"], { KEY: "a b", MODE: "fast" }) },
    ],
    [
      "docker",
      "docker run -i --rm -e GITHUB_PERSONAL_ACCESS_TOKEN ghcr.io/github/github-mcp-server",
      "command",
      { github: stdio("docker", ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server"]) },
    ],
    [
      "uvx over two lines",
      "uvx mcp-server-time \\\n  --local-timezone Europe/Berlin",
      "command",
      { time: stdio("uvx", ["mcp-server-time", "--local-timezone", "Europe/Berlin"]) },
    ],
    [
      "code --add-mcp, twice",
      `code --add-mcp '{"name":"a","command":"uvx","args":["a"],"inputs":[{"id":"k","password":true}],"env":{"K":"\${input:k}"}}' --add-mcp='{"name":"b","url":"https://b.example"}'`,
      "code_add_mcp",
      { a: stdio("uvx", ["a"], { K: "${input:k}" }), b: http("https://b.example") },
    ],
  ])("%s", (_what, document, format, expected) => {
    const found = read(document);
    expect(found.format).toBe(format);
    expect(found.entries.flatMap(({ errors }) => errors)).toEqual([]);
    expect(Object.fromEntries(found.entries.map(({ key, draft }) => [key, draft]))).toEqual(expected);
  });

  test("says which values are asked for, and which of them are passwords", () => {
    const { inputs } = readDocument({
      servers: {
        a: {
          command: "a",
          args: ["${workspaceFolder}/x", "${input:mode}", "${LEVEL:-info}"],
          env: { T: "${input:token}", H: "${env:API_KEY}" },
        },
      },
      inputs: [
        { id: "token", type: "promptString", description: "Your token", password: true },
        { id: "mode", type: "pickString", options: ["a", { label: "B", value: "b" }], default: "a" },
        { id: "unused", type: "promptString" },
      ],
    });
    expect(inputs).toEqual([
      { id: "workspaceFolder", description: expect.any(String), password: false, required: true },
      { id: "mode", description: "Value of mode", password: false, required: false, default: "a", options: ["a", "b"] },
      { id: "env:LEVEL", description: expect.any(String), password: false, required: false, default: "info" },
      { id: "token", description: "Your token", password: true, required: true },
      { id: "env:API_KEY", description: expect.any(String), password: true, required: true },
    ]);
  });

  test("tells of each server what is wrong with it, what is switched off and what is not taken over", () => {
    const { entries } = read({
      mcpServers: {
        a: {},
        b: { command: "x", url: "https://b.example" },
        c: { command: "x", args: "one two" },
        d: { command: "x", args: [{}] },
        e: { command: "x", type: "websocket" },
        f: "x",
        g: { command: "x", disabled: true, autoApprove: ["y"] },
      },
    });
    expect(entries.map(({ errors }) => errors[0]?.path)).toEqual([
      "mcpServers.a",
      "mcpServers.b",
      "mcpServers.c.args",
      "mcpServers.d.args.0",
      "mcpServers.e.type",
      "mcpServers.f",
      undefined,
    ]);
    expect(entries.at(-1)).toMatchObject({ isDisabled: true, ignored: ["autoApprove"] });
  });

  test.each<[string, string | object]>([
    ["nothing", {}],
    ["no servers", { mcpServers: {} }],
    ["something else", { version: 2, nodes: [] }],
    ["another scheme", "file:///etc/passwd"],
    ["another scheme without slashes", "javascript:alert(1)"],
    ["broken JSON", '{"mcpServers": {'],
    ["a list", "[1]"],
    ["a prototype", '{"mcpServers": {"__proto__": {"command": "x"}}}'],
    ["one name twice", '{"mcpServers": {"a": {"command": "x:\\"y"}, "a": {"command": "z"}}}'],
    ["too deep", `{"mcpServers": {"a": ${"[".repeat(LIMITS.jsonDepth)}${"]".repeat(LIMITS.jsonDepth)}}}`],
    ["variables without a command", "A=1 B=2"],
    ["--add-mcp without JSON", "code --add-mcp"],
    ["an address with arguments", "https://a.example/mcp --fast"],
    ["a part of another document", '"scripts": { "start": "x" }'],
    ["a Windows path without quotes", "node C:\\Users\\x.js"],
    [
      "too many servers",
      { mcpServers: Object.fromEntries(Array.from({ length: LIMITS.importedServers + 1 }, (_, i) => [`s${i}`, { command: "x" }])) },
    ],
  ])("refuses %s", (_what, document) => {
    expect(() => read(document)).toThrow(
      expect.objectContaining({ code: "request_invalid", issues: [expect.objectContaining({ path: "document" })] }),
    );
  });
});

describe("credentials in an address", () => {
  const key = `tvly-${"a1B2".repeat(6)}`;
  const planned = (url: string, inputs: Record<string, string> = {}, query?: Record<string, string>) => {
    const given = readDocument({
      servers: { t: { url, ...(query && { query }) } },
      inputs: [
        { id: "key", type: "promptString", password: true },
        { id: "mode", type: "promptString" },
        { id: "more", type: "promptString", default: "1" },
      ],
    });
    const [plan] = planImport(given, { onClash: "fail", inputs }, { servers: new Set(), secrets: new Set(["t_apiKey"]) });
    return plan;
  };
  const rows: [
    string,
    string,
    Record<string, string>,
    { url: string; query?: Record<string, string>; secrets: [string, string, string?][] },
  ][] = [
    [
      "a value that is one",
      `https://h.example/mcp?tavilyApiKey=${key}`,
      {},
      {
        url: "https://h.example/mcp",
        query: { tavilyApiKey: "secret:tavilyApiKey" },
        secrets: [["query.tavilyApiKey", "tavilyApiKey", key]],
      },
    ],
    [
      "one among others, which stay as they are written",
      `https://h.example/mcp?a=%20b+c&apiKey=${key}&d#f`,
      {},
      {
        url: "https://h.example/mcp?a=%20b+c&d#f",
        query: { apiKey: "secret:t_apiKey_2" },
        secrets: [["query.apiKey", "t_apiKey_2", key]],
      },
    ],
    [
      "one that was escaped",
      "https://h.example/?access_token=q9Zr%2F7Lw2%26Xc5V%3D%3D",
      {},
      {
        url: "https://h.example/",
        query: { access_token: "secret:t_access_token" },
        secrets: [["query.access_token", "t_access_token", "q9Zr/7Lw2&Xc5V=="]],
      },
    ],
    [
      "a password that was given",
      "https://h.example/?k=${input:key}&m=${input:mode}",
      { key: "a&b=c#d", mode: "x" },
      {
        url: "https://h.example/?m=x",
        query: { k: "secret:t_k" },
        secrets: [["query.k", "t_k", "a&b=c#d"]],
      },
    ],
    [
      "a password that is still asked for",
      "https://h.example/?k=${input:key}",
      {},
      {
        url: "https://h.example/",
        query: { k: "secret:t_k" },
        secrets: [["query.k", "t_k", undefined]],
      },
    ],
    [
      "a reference that stands there already",
      "https://h.example/?k=secret:mine",
      {},
      {
        url: "https://h.example/",
        query: { k: "secret:mine" },
        secrets: [],
      },
    ],
    [
      "no credential at all",
      "https://h.example/?toolsets=a,b&n=${input:more}",
      {},
      { url: "https://h.example/?toolsets=a,b&n=1", secrets: [] },
    ],
  ];
  test.each(rows)("%s", (_what, url, inputs, { url: address, query, secrets }) => {
    const plan = planned(url, inputs);
    expect(plan?.errors).toEqual([]);
    expect(plan?.draft).toEqual({ transport: "http", url: address, headers: {}, ...(query && { query }) });
    expect(plan?.secrets.map(({ at, name, value }) => [at, name, value])).toEqual(secrets);
  });

  test("parameters that a document gives beside the address are looked at in the same way", () => {
    expect(planned("https://h.example/", {}, { token: key, mode: "fast" })).toMatchObject({
      draft: { query: { token: "secret:token", mode: "fast" } },
      secrets: [{ at: "query.token", name: "token", value: key }],
    });
  });

  test.each([
    ["the host", "https://${input:key}.example/"],
    ["a user's password", "https://user:${input:key}@h.example/"],
    ["the path", "https://h.example/s/${input:key}/mcp"],
    ["the name of a parameter", "https://h.example/?${input:key}"],
    ["the fragment", "https://h.example/#${input:key}"],
    ["two values of one name", `https://h.example/?k=\${input:key}&k=${key}`],
  ])("a password in %s has no place, and the import says where it would have one", (_where, url) => {
    const plan = planned(url, { key: "pass-word" });
    expect(plan?.errors).toMatchObject([{ path: "servers.t.url", message: /parameter/ }]);
    expect(plan?.launch).toBeUndefined();
  });
});

describe("a command line", () => {
  test.each<[string, string[]]>([
    [`a  b\tc`, ["a", "b", "c"]],
    [`a "b c" 'd e' f\\ g`, ["a", "b c", "d e", "f g"]],
    [`a "" ''`, ["a", "", ""]],
    [`a"b"'c'd`, ["abcd"]],
    [`"a \\"b\\" \\x \\\\"`, ['a "b" \\x \\']],
    [`'a $B \\ "c" | d'`, [`a $B \\ "c" | d`]],
    [`$A "\${B}" $ 5$`, ["${A}", "${B}", "$", "5$"]],
    [`https://a.example/?x=1 {a,b} *.ts a#b`, ["https://a.example/?x=1", "{a,b}", "*.ts", "a#b"]],
    ["a \\\n b \\\r\n c\n", ["a", "b", "c"]],
  ])("%j", (line, words) => expect(splitCommandLine(line)).toEqual(words));

  test.each([
    "a | b",
    "a; b",
    "a && b",
    "a & ",
    "a > f",
    "a < f",
    "a $(b)",
    "a `b`",
    'a "$(b)"',
    'a "`b`"',
    "a (b)",
    "a\nb",
    "a # b",
    "~/x",
    "a 'b",
    'a "b',
    "a \\",
    "a $'x'",
  ])("%j is refused with the reason", (line) =>
    expect(() => splitCommandLine(line)).toThrow(
      expect.objectContaining({ code: "request_invalid", remedy: expect.stringContaining("No shell") }),
    ),
  );
});

describe("names", () => {
  test.each([
    ["npx", ["-y", "@modelcontextprotocol/server-filesystem@1.2.3"], "filesystem"],
    ["npx", ["@playwright/mcp@latest"], "playwright"],
    ["npx", ["-y", "@sentry/mcp-server@0.1.0"], "sentry"],
    ["uvx", ["--from", "git+https://github.com/a/some-mcp-server.git", "x"], "some"],
    ["docker", ["run", "-i", "mcp/fetch:1"], "fetch"],
    ["node", ["/srv/weather/dist/index.js"], "weather"],
    ["python3", ["server.py"], "server"],
    ["/opt/bin/my-mcp", [], "my"],
  ])("%s %j is %s", (command, args, name) => expect(nameOfCommand(command, args)).toBe(name));
  test.each([
    ["https://mcp.linear.app/sse", "linear"],
    ["https://api.githubcopilot.com/mcp/", "githubcopilot"],
    ["http://localhost:3000/mcp", "localhost"],
    ["http://10.0.0.1:3000/mcp", "10-0-0-1"],
    ["http://[::1]:3000/mcp", "1"],
  ])("%s is %s", (address, name) => expect(nameOfAddress(address)).toBe(name));
  test("are made fit for definitions", () => {
    expect(["files", "My GitHub!", "-a-", "Ä", "x".repeat(80)].map(toSlug)).toEqual(["files", "my-github", "a", "", "x".repeat(63)]);
  });
});

describe("credentials", () => {
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln";
  test.each([
    ["ANYTHING", `ghp_${"a1B2".repeat(9)}`],
    ["ANYTHING", "sk-proj-abcdefgh12345678"],
    ["ANYTHING", "xoxb-123456789012-abcdef"],
    ["ANYTHING", "AKIAIOSFODNN7ABCDEFG"],
    ["ANYTHING", jwt],
    ["X-Thing", "Bearer abcdefgh"],
    ["DATABASE", "postgres://user:hunter2@db.example/x"],
    ["API_KEY", "q9Zr7Lw2Xc5V"],
    ["password", "correct horse"],
    ["CERT", "-----BEGIN RSA PRIVATE KEY-----\nx"],
    ["header", "Authorization: Bearer abcdefgh"],
    ["H", "X-Api-Key:q9Zr7Lw2Xc5V"],
    ["connection-string", "Server=db;Uid=u;Pwd=x7"],
  ])("%s=%s", (name, value) => expect(looksSecret(name, value)).toBe(true));
  test.each([
    ["API_KEY", ""],
    ["API_KEY", "<your-api-key>"],
    ["API_KEY", "YOUR_API_KEY"],
    ["Authorization", "Bearer YOUR_TOKEN"],
    ["TOKEN_LIMIT", "4096"],
    ["USE_AUTH", "true"],
    ["SSH_KEY_PATH", "/home/ada/.ssh/id"],
    ["TOKEN_URL", "https://a.example/token"],
    ["API_KEY", "aaaaaaaaaaaa"],
    ["MODE", "q9Zr7Lw2Xc5V"],
    ["DATABASE", "postgres://db.example/x"],
    ["arg_1", "task-master-ai"],
    ["arg_1", "@acme/risk-management-server@1.2.3"],
    ["arg_1", "sk-learn-documents-server"],
    ["header", "X-Mode: q9Zr7Lw2Xc5V"],
    ["header", "Authorization: Bearer YOUR_TOKEN"],
    ["header", "Authorization:${AUTH_HEADER}"],
    ["header", "Authorization: Bearer ${AUTH_TOKEN}"],
    ["url", "https://a.example/mcp"],
  ])("but not %s=%s", (name, value) => expect(looksSecret(name, value)).toBe(false));
});

test("variables of all dialects are asked for, none is read from here", () => {
  const text = "${input:a} ${env:B} ${C} ${D:-d} ${workspaceFolder}${/}x $E ${} ${config:x.y} ${command:z}";
  expect(variablesIn(text)).toEqual([
    { id: "a", fallback: undefined },
    { id: "env:B", fallback: undefined },
    { id: "env:C", fallback: undefined },
    { id: "env:D", fallback: "d" },
    { id: "workspaceFolder", fallback: undefined },
    { id: "config:x.y", fallback: undefined },
    { id: "command:z", fallback: undefined },
  ]);
  const filled = "$& ${env:B} ${C} d ${workspaceFolder}/x $E ${} ${config:x.y} ${command:z}";
  expect(fillIn(text, ({ id, fallback }) => (id === "a" ? "$&" : fallback))).toBe(filled);
});

test("a variable that begins inside of another is the one that counts", () => {
  const unended = "${A:-".repeat(3);
  expect(variablesIn(`${unended}\${B:-c}`)).toEqual([{ id: "env:B", fallback: "c" }]);
  expect(splitCommandLine(`x ${unended}\${input:k}`)).toEqual(["x", `${unended}\${input:k}`]);
});

describe("what goes where", () => {
  const planned = (
    mcpServers: Record<string, { command: string; args?: string[]; env?: Record<string, string> }>,
    inputs = {},
    declared?: object[],
  ) => {
    const read = readDocument({ document: JSON.parse(JSON.stringify({ mcpServers, ...(declared && { inputs: declared }) })) });
    return { read, plan: planImport(read, { onClash: "fail", inputs }, { servers: new Set(), secrets: new Set() }) };
  };

  test("a variable in an argument that the entry's own environment holds is the server's to read, and nobody is asked for it", () => {
    const args = ["mcp-remote", "https://a.example/mcp", "--header", "Authorization:${AUTH_HEADER}", "${OTHER}"];
    const { read, plan } = planned(
      { s: { command: "npx", args, env: { AUTH_HEADER: "Bearer q9Zr7Lw2Xc5V", KEPT: "${KEPT}" } } },
      { "env:OTHER": "o" },
    );
    expect(read.inputs.map(({ id }) => id)).toEqual(["env:OTHER", "env:KEPT"]);
    expect(plan).toMatchObject([
      {
        inputs: ["env:KEPT"],
        draft: { args: [...args.slice(0, 4), "o"], env: { AUTH_HEADER: "secret:s_AUTH_HEADER", KEPT: "${KEPT}" } },
        secrets: [{ at: "env.AUTH_HEADER", value: "Bearer q9Zr7Lw2Xc5V" }],
      },
    ]);
  });

  test("a header that is written into an argument goes to the vault", () => {
    const { plan } = planned({ a: { command: "npx", args: ["mcp-remote", "--header", "Authorization: Bearer q9Zr7Lw2Xc5V"] } });
    expect(plan).toMatchObject([{ launch: { args: ["mcp-remote", "--header", "secret:a_header"] } }]);
  });

  test("a password stays one whatever it looks like, and whichever document declares it", () => {
    const declared = [{ id: "word", type: "promptString", password: true }];
    const { plan } = planned({ s: { command: "x", env: { A: "${input:word}" } } }, { word: "secret:pass-word!" }, declared);
    expect(plan).toMatchObject([{ launch: { env: { A: "secret:s_A" } }, secrets: [{ value: "secret:pass-word!" }] }]);
  });
});

test.each<[string, string]>([
  ["variables that never end", "npx " + "${A:-".repeat(50_000)],
  ["quoted variables that never end", `npx "${"${".repeat(100_000)}"`],
  ["half tokens", `npx ${"eyJ".repeat(80_000)}`],
  ["dashes in a name", JSON.stringify({ mcpServers: { [`${"-".repeat(200_000)}x`]: { command: "x" } } })],
  ["underscores in an option", `npx --${"a" + "_".repeat(60_000)}=x`],
  ["quotes", `npx ${"'' ".repeat(80_000)}`],
])("%s cost no more than their length", (_what, text) => {
  const { entries, inputs } = readDocument({ document: text });
  const plan = planImport(
    { format: "command", entries, inputs },
    { onClash: "fail", inputs: {} },
    { servers: new Set(), secrets: new Set() },
  );
  expect(plan).toHaveLength(1);
});
