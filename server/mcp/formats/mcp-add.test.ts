import { describe, expect, test } from "vitest";
import { readDocument } from "./read-document.ts";

const read = (document: string) => readDocument({ document });
const stdio = (command: string, args: string[] = [], env: Record<string, string> = {}) => ({ transport: "stdio", command, args, env });
const http = (url: string, headers: Record<string, string> = {}) => ({ transport: "http", url, headers });

describe("lines that add a server to another program", () => {
  test.each<[string, string, string, Record<string, object>]>([
    [
      "claude mcp add",
      "claude mcp add files -s user -- npx -y @modelcontextprotocol/server-filesystem /srv",
      "claude_mcp_add",
      { files: stdio("npx", ["-y", "@modelcontextprotocol/server-filesystem", "/srv"]) },
    ],
    [
      "claude mcp add, variables first",
      "claude mcp add --env A=1 B=2 --transport stdio air -- npx -y airtable-mcp-server -e x",
      "claude_mcp_add",
      { air: stdio("npx", ["-y", "airtable-mcp-server", "-e", "x"], { A: "1", B: "2" }) },
    ],
    [
      "claude mcp add, without --",
      "claude mcp add mine -e A=1 ./server --flag -x",
      "claude_mcp_add",
      { mine: stdio("./server", ["--flag", "-x"], { A: "1" }) },
    ],
    [
      "claude mcp add, remote",
      `claude mcp add --transport http secure https://a.example/mcp --header "Authorization: Bearer t" -H 'X-A: b'`,
      "claude_mcp_add",
      { secure: http("https://a.example/mcp", { Authorization: "Bearer t", "X-A": "b" }) },
    ],
    [
      "claude mcp add-json",
      `claude mcp add-json -s user w '{"type":"http","url":"https://a.example"}'`,
      "claude_mcp_add",
      { w: http("https://a.example") },
    ],
    [
      "codex mcp add",
      "codex mcp add files --env A=1 --env B=x=y -- npx -y @modelcontextprotocol/server-filesystem --env /srv",
      "codex_mcp_add",
      { files: stdio("npx", ["-y", "@modelcontextprotocol/server-filesystem", "--env", "/srv"], { A: "1", B: "x=y" }) },
    ],
    [
      "codex mcp add, options first",
      "codex mcp add -c model=o3 --env=A=1 files -- npx files",
      "codex_mcp_add",
      { files: stdio("npx", ["files"], { A: "1" }) },
    ],
    [
      "codex mcp add, without --",
      "codex mcp add files npx -y files --url x",
      "codex_mcp_add",
      { files: stdio("npx", ["-y", "files", "--url", "x"]) },
    ],
    [
      "codex mcp add, remote",
      "/usr/local/bin/codex mcp add notion --url https://mcp.notion.example/mcp",
      "codex_mcp_add",
      { notion: http("https://mcp.notion.example/mcp") },
    ],
    [
      "codex mcp add, remote with a token",
      "codex mcp add --url=https://a.example/mcp --bearer-token-env-var A_TOKEN a",
      "codex_mcp_add",
      { a: http("https://a.example/mcp", { Authorization: "Bearer ${A_TOKEN}" }) },
    ],
    [
      "gemini mcp add",
      "gemini mcp add -e A=1 -e B=2 --scope user files npx -y @modelcontextprotocol/server-filesystem /srv",
      "gemini_mcp_add",
      { files: stdio("npx", ["-y", "@modelcontextprotocol/server-filesystem", "/srv"], { A: "1", B: "2" }) },
    ],
    [
      "gemini mcp add, options behind the command, and what follows -- untouched",
      `gemini mcp add files python server.py --port 80 --env A=1 --description "My files" -- -e B=2`,
      "gemini_mcp_add",
      { files: stdio("python", ["server.py", "--port", "80", "-e", "B=2"], { A: "1" }) },
    ],
    [
      "gemini mcp add, remote",
      `gemini mcp add --transport http -H "Authorization: Bearer t" secure https://a.example/mcp -s project --header='X-A: b'`,
      "gemini_mcp_add",
      { secure: http("https://a.example/mcp", { Authorization: "Bearer t", "X-A": "b" }) },
    ],
    [
      "gemini mcp add, SSE",
      "gemini mcp add -t sse old https://a.example/sse",
      "gemini_mcp_add",
      { old: { ...http("https://a.example/sse"), type: "sse" } },
    ],
    ["another command of a program that can add servers", "claude mcp serve", "command", { claude: stdio("claude", ["mcp", "serve"]) }],
  ])("%s", (_what, document, format, expected) => {
    const found = read(document);
    expect(found.format).toBe(format);
    expect(found.entries.flatMap(({ errors }) => errors)).toEqual([]);
    expect(Object.fromEntries(found.entries.map(({ key, draft }) => [key, draft]))).toEqual(expected);
  });

  test("what a program's own options say to that program is told as not taken over", () => {
    const { entries } = read('gemini mcp add --timeout 5000 --trust --include-tools a,b --description "My files" files npx files');
    expect(entries).toMatchObject([{ description: "My files", ignored: ["timeout", "trust", "include-tools"], errors: [] }]);
  });

  test("an address and a command at once are a mistake of that server", () => {
    expect(read("codex mcp add x --url https://a.example -- npx y").entries[0]?.errors).toHaveLength(1);
  });

  test.each<[string, string]>([
    ["claude mcp add without a command", "claude mcp add x"],
    ["claude mcp add with an unknown option", "claude mcp add --wild x -- y"],
    ["codex mcp add without a command", "codex mcp add x --env A=1"],
    ["codex mcp add without a name", "codex mcp add"],
    ["codex mcp add with an unknown option", "codex mcp add x --wild -- y"],
    ["codex mcp add with half a variable", "codex mcp add x --env A -- y"],
    ["gemini mcp add without a command", "gemini mcp add -t http x"],
    ["gemini mcp add with half a header", "gemini mcp add -t http -H X x https://a.example"],
    ["what adds servers to a program that is not known", "opencode mcp add x -- npx -y files"],
    ["what adds servers to no program of that name", "toString mcp add x -- npx -y files"],
    ["what takes servers over from another program", "claude mcp add-from-claude-desktop"],
    ["JSON for a program that takes none", `codex mcp add-json x '{"command":"x"}'`],
    ["a program behind variables", "A=1 claude mcp add x -- npx -y files"],
    ["a program behind another one", "sudo claude mcp add x -- npx -y files"],
    ["a program of a package", "npx -y @anthropic-ai/claude-code mcp add x -- npx -y files"],
  ])("refuses %s, and launches nothing", (_what, document) => {
    expect(() => read(document)).toThrow(
      expect.objectContaining({ code: "request_invalid", issues: [expect.objectContaining({ path: "document" })] }),
    );
  });

  test("says which lines are known", () => {
    expect(() => read("opencode mcp add x -- npx -y files")).toThrow(
      expect.objectContaining({
        message: expect.stringContaining("opencode mcp add adds a server to another program"),
        remedy: expect.stringMatching(/claude mcp add.*codex mcp add.*gemini mcp add/),
      }),
    );
  });
});
