import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ElicitRequestParams } from "@modelcontextprotocol/client";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import type { HttpFixture } from "#test/support/mcp/modern-server.ts";
import { published } from "#test/support/mcp/platform.ts";
import { freePort } from "#test/support/platform.ts";
import { talkTo, talkativeHttpServer, talkativeLaunch, type Talk } from "#test/support/mcp/talk.ts";
import type { Ask } from "./open-call.ts";
import { refusalOf } from "./questions.ts";
import type { Answering } from "./server-requests.ts";

// Real processes, on whatever machine this is.
vi.setConfig({ testTimeout: 60_000 });
const options = { timeoutMs: 10_000 };

const SAMPLING: ServerSettings = { sampling: { model: "m", maxTokens: 100, perMinute: 5 } };
let http: HttpFixture;
beforeAll(async () => {
  http = await talkativeHttpServer();
});
afterAll(() => http.close());

const open: Talk[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((talk) => talk.close()));
});
async function talk(...args: Parameters<typeof talkTo>): Promise<Talk> {
  const opened = await talkTo(...args);
  open.push(opened);
  return opened;
}

const textOf = async (server: Talk, name: string, more: { arguments?: Record<string, unknown>; ask?: Ask; timeoutMs?: number } = {}) => {
  const { content, isError } = await server.callTool({ name, arguments: {}, ...options, ...more });
  return `${isError === true ? "failed: " : ""}${JSON.stringify(content)}`;
};
const asked: Record<string, ElicitRequestParams>[] = [];
const answer: Ask = async (questions) => {
  asked.push({ ...questions });
  return Object.fromEntries(Object.keys(questions).map((key) => [key, { action: "accept", content: { name: "anna", age: 7 } }] as const));
};

// Without a session, an HTTP server of the 2025 era cannot ask anything.
const CASES = [
  ["stdio, 2026", (change?: Partial<Answering>) => talk(talkativeLaunch, "auto", change)],
  ["stdio, 2025", (change?: Partial<Answering>) => talk(talkativeLaunch, "legacy", change)],
  ["HTTP, 2026", (change?: Partial<Answering>) => talk({ url: http.url }, "auto", change)],
] as const;

describe.each(CASES)("what a server asks over %s", (_name, connect) => {
  test("a question goes to whoever waits for the call, and its time stands still meanwhile", async () => {
    const server = await connect();
    const slow: Ask = async (questions, signal) => {
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      return answer(questions, signal);
    };
    expect(await textOf(server, "introduce", { ask: slow, timeoutMs: 2_000 })).toContain("You are anna, 7.");
    expect(Object.values(asked.at(-1) ?? {})).toMatchObject([{ message: "Who are you?", requestedSchema: { required: ["name", "age"] } }]);
    expect(await textOf(server, "introduce")).toContain("You did not say.");
    expect(
      await textOf(server, "introduce", { ask: async (q) => Object.fromEntries(Object.keys(q).map((k) => [k, { action: "decline" }])) }),
    ).toContain("You did not say.");
  });

  test("nobody is asked for a secret, or sent to an address that is none", async () => {
    const server = await connect();
    asked.length = 0;
    await textOf(server, "login", { ask: answer });
    await textOf(server, "visit", { arguments: { url: "javascript:alert(1)" }, ask: answer });
    expect(asked).toEqual([]);
    expect(server.told.filter((line) => line.startsWith("declined"))).toHaveLength(2);
    await textOf(server, "visit", {
      arguments: { url: "https://example.com/a?b=c" },
      ask: async (q) =>
        Object.fromEntries(
          Object.entries(q).map(([k, v]) => {
            asked.push({ visit: v });
            return [k, { action: "accept" }];
          }),
        ),
    });
    expect(asked).toMatchObject([{ visit: { mode: "url", url: "https://example.com/a?b=c" } }]);
  });

  test("nobody is sent to a page on a host that the settings do not allow", async () => {
    const settings: ServerSettings = { elicitation: { hosts: ["example.com"] } };
    const server = await connect({ settings: () => settings });
    const visit = (address: string) => textOf(server, "visit", { arguments: { url: address }, ask: accept });
    asked.length = 0;
    const accept: Ask = async (questions) => {
      asked.push({ ...questions });
      return Object.fromEntries(Object.keys(questions).map((key) => [key, { action: "accept" }] as const));
    };
    await visit("https://evil.example/login");
    expect(asked).toEqual([]);
    expect(server.told).toContain(
      "declined a question of the server: its address leads to evil.example, which is none of the hosts that the settings allow",
    );
    await visit("https://example.com/login");
    expect(asked).toHaveLength(1);
  });

  test("only what the settings allow is declared and answered", async () => {
    const plain = await connect();
    expect(await textOf(plain, "think", { arguments: { about: "tea" } }).catch(String)).toMatch(/sampling/i);
    expect(await textOf(plain, "whereabouts").catch(String)).toMatch(/roots/i);
    const settings = { ...SAMPLING, roots: ["/srv/data"] };
    const server = await connect({ settings: () => settings });
    expect(await textOf(server, "think", { arguments: { about: "tea" } })).toContain("a thought");
    expect(await textOf(server, "whereabouts")).toContain("file:///srv/data");
    const silent = await connect({ settings: () => ({ elicitation: false }) });
    asked.length = 0;
    await textOf(silent, "introduce", { ask: answer }).catch(() => {});
    expect(asked).toEqual([]);
  });
});

describe("the published server", () => {
  test("asks, samples, sees roots and their change, and logs", async () => {
    let settings: ServerSettings = { ...SAMPLING, roots: ["/srv/one"], logLevel: "debug" };
    const server = await talk(published("everything"), "auto", { settings: () => settings });
    const fill: Ask = async (questions) => Object.fromEntries(Object.keys(questions).map((key) => [key, { action: "decline" }]));
    expect(await textOf(server, "trigger-elicitation-request", { ask: fill })).toMatch(/declined/i);
    expect(await textOf(server, "trigger-sampling-request", { arguments: { prompt: "hi", maxTokens: 5 } })).toContain("a thought");
    await vi.waitFor(async () => expect(await textOf(server, "get-roots-list")).toContain("/srv/one"));
    settings = { ...settings, roots: ["/srv/two"] };
    await server.settle();
    await vi.waitFor(async () => expect(await textOf(server, "get-roots-list")).toContain("/srv/two"), { timeout: 5_000 });
    await vi.waitFor(() => expect(server.told.join("\n")).toMatch(/Roots updated/));
    const progress: number[] = [];
    const call = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 4 }, ...options };
    await server.callTool({ ...call, onProgress: (told) => progress.push(told.progress) });
    expect(progress).toEqual([1, 2, 3, 4]);
  });

  test("hears the platform's new roots also while somebody's call is open who has roots of their own", async () => {
    let settings: ServerSettings = { roots: ["/srv/one"] };
    const server = await talk(published("everything"), "auto", { settings: () => settings });
    await vi.waitFor(async () => expect(await textOf(server, "get-roots-list")).toContain("/srv/one"));
    const roots = vi.fn<() => Promise<{ roots: { uri: string }[] }>>(async () => ({ roots: [{ uri: "file:///" }] }));
    const call = { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 1 }, ...options };
    const open = server.callTool({ ...call, party: { takesInput: false, roots } });
    settings = { roots: ["/srv/two"] };
    await server.settle();
    await open;
    expect(await textOf(server, "get-roots-list")).toContain("/srv/two");
    expect(roots).not.toHaveBeenCalled();
  });

  test("of a request that could belong to two calls, neither's caller hears (M-14)", async () => {
    const server = await talk(published("everything"));
    asked.length = 0;
    const other = server.callTool({
      name: "trigger-long-running-operation",
      arguments: { duration: 1, steps: 1 },
      ask: answer,
      ...options,
    });
    const text = await textOf(server, "trigger-elicitation-request", { ask: answer });
    expect(text).toMatch(/failed: .*not known which call/);
    expect(asked).toEqual([]);
    await other;
  });
});

test("over HTTP each of several calls at once is asked its own question, and told its own progress (M-14)", async () => {
  const port = await freePort();
  const server = spawn(process.execPath, [published("everything").args[0] ?? "", "streamableHttp"], {
    env: { PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    await once(server.stderr, "data");
    const client = await talk({ url: `http://127.0.0.1:${port}/mcp` });
    expect(client.era).toBe("legacy");
    const introduce = async (name: string): Promise<void> => {
      const mine: Ask = async (questions) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
        return Object.fromEntries(Object.keys(questions).map((key) => [key, { action: "accept", content: { name } }]));
      };
      expect(await textOf(client, "trigger-elicitation-request", { ask: mine })).toContain(name);
    };
    const count = async (steps: number): Promise<void> => {
      const told: number[] = [];
      const call = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps }, ...options };
      await client.callTool({ ...call, onProgress: ({ total }) => told.push(total ?? 0) });
      expect(new Set(told)).toEqual(new Set([steps]));
    };
    const names = Array.from({ length: 20 }, (_, i) => `caller number ${i}`);
    await Promise.all([...names.map(introduce), count(2), count(3), count(4)]);
  } finally {
    server.kill("SIGKILL");
  }
});

test("messages that come too fast are counted", async () => {
  const server = await talk(talkativeLaunch, "legacy");
  await textOf(server, "log", { arguments: { lines: 300 } });
  await vi.waitFor(() => expect(server.told.filter((line) => line === "dropped 1").length).toBeGreaterThan(100));
  expect(server.told[0]).toBe("warning talk: line 0");
});

describe("questions that are declined (M-16)", () => {
  const form = (name: string, field: object = { type: "string" }, message = "Please fill in"): ElicitRequestParams =>
    JSON.parse(JSON.stringify({ message, requestedSchema: { type: "object", properties: { [name]: field } } }));
  const url = (address: string): ElicitRequestParams => ({ mode: "url", message: "Go", url: address, elicitationId: "1" });

  test.each([
    ["a password by name", form("password")],
    ["in camel case", form("apiKey")],
    ["in snake case", form("github_access_token")],
    ["by title", form("value", { type: "string", title: "Your pass-phrase" })],
    ["by description", form("value", { type: "string", description: "The 2FA code" })],
    ["by format", form("value", { type: "string", format: "password" })],
    ["by its text", form("value", { type: "string" }, "Enter your password to go on")],
    ["with characters that cannot be seen", form("value", { type: "string", title: "pass\u200Bword" })],
    ["in full-width letters", form("ｐａｓｓｗｏｒｄ")],
    ["in another language", form("value", { type: "string", title: "Пароль" })],
    ["without spaces", form("value", { type: "string", title: "请输入密码" })],
    ["javascript:", url("javascript:alert(1)")],
    ["data:", url("data:text/html,<script>1</script>")],
    ["file:", url("file:///etc/passwd")],
    ["a name before the host", url("https://bank.example@evil.example/")],
    ["no address", url("//evil.example")],
    ["an address without an end", url(`https://example.com/${"a".repeat(3_000)}`)],
    ["a text without an end", form("name", { type: "string" }, "a".repeat(10_000))],
  ])("%s", (_name, question) => {
    expect(refusalOf(question)).toBeTypeOf("string");
  });

  const own = "https://mcp.example.com/mcp";
  const hosts = ["login.example.com", "*.sso.example.org", "10.0.0.7:8443"];
  test.each([
    ["a host that is not named", "https://evil.example/login", { own, hosts }],
    ["a name that ends alike", "https://login.example.com.evil.example/", { own, hosts }],
    ["the name above those that are meant", "https://sso.example.org/", { own, hosts }],
    ["another port of a host that is named", "https://login.example.com:8443/", { own, hosts }],
    ["another port of the server's own host", "https://mcp.example.com:8443/", { own, hosts }],
    ["the server's own host, but unprotected", "http://mcp.example.com/login", { own, hosts: [] }],
    ["any host of a server that has no address", "https://mcp.example.com/", { hosts: [] }],
  ])("a page on %s, where the settings name hosts", (_name, address, pages) => {
    const why = `its address leads to ${new URL(address).host}, which is none of the hosts that the settings allow`;
    expect(refusalOf(url(address), pages)).toBe(why);
    expect(refusalOf(url(address))).toBeUndefined();
  });

  test.each([
    ["https://login.example.com/a?b=c", { own, hosts }],
    ["http://login.example.com/", { own, hosts }],
    ["https://LOGIN.example.com/", { own, hosts }],
    ["https://eu.sso.example.org/", { hosts }],
    ["https://10.0.0.7:8443/", { hosts }],
    ["https://mcp.example.com/login", { own, hosts: [] }],
  ])("but not a page on a host that is meant: %s", (address, pages) => {
    expect(refusalOf(url(address), pages)).toBeUndefined();
  });

  test.each([
    ["a name", form("name")],
    ["a number of tokens", form("maxTokens", { type: "integer" })],
    ["whether to pin", form("pin", { type: "boolean" })],
    ["one of several", form("token", { type: "string", enum: ["BTC", "ETH"] })],
    ["a compass", form("compass_direction")],
    ["a secretary", form("secretary")],
    ["a page", url("https://example.com/consent?state=1")],
  ])("but not %s", (_name, question) => {
    expect(refusalOf(question)).toBeUndefined();
  });
});
