import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Environment } from "#contract/common.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "#test/support/eventually.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/** A secret that an import has moved to the vault goes with its server, and with nothing else. */
let platform: StartedPlatform;
let client: Client;
let stranger: Client;

beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
  const { token } = await addTenant(await platform.sql(), "Others");
  stranger = createClient({ url: platform.url, token });
});
afterAll(() => platform.close());

const secretsIn = async (environment: Environment = "production", of = client): Promise<string[]> =>
  (await of.listSecrets({ query: { limit: 200 } })).items.filter((one) => one.environment === environment).map(({ name }) => name);
const credential = (): string => `ghp_${newId().replaceAll("-", "")}`;
const at = (environment: Environment, of: Client) => ({ of, environment });
type Servers = Record<string, { command: string; env: Record<string, string> }>;

/** The ids of the servers by their names. */
async function imported(mcpServers: Servers, { of, environment } = at("production", client)): Promise<Record<string, string>> {
  const { items } = await of.importMcpServers({ body: { document: { mcpServers }, environment, start: false } });
  return Object.fromEntries(items.map(({ name, id }) => [name, id]));
}
const remove = (id: string | undefined) => client.deleteMcpServer({ params: { id: id ?? "" } });
const deletions = async (id: string | undefined) =>
  (await client.listAudit({ query: { action: "mcp_server.deleted", limit: 200 } })).items.find(
    ({ target }) => target === `mcp_server:${id ?? ""}`,
  );

test("own secrets go with each server, a shared one with the last; those of another environment and another tenant stay", async () => {
  const mcpServers = {
    first: { command: "not-here", env: { API_TOKEN: credential(), OTHER_TOKEN: credential() } },
    second: { command: "not-here", env: { API_KEY: credential(), SHARED: "secret:first_API_TOKEN" } },
  };
  const all = ["first_API_TOKEN", "first_OTHER_TOKEN", "second_API_KEY"];
  const ids = await imported(mcpServers);
  await imported(mcpServers, at("test", client));
  await imported(mcpServers, at("production", stranger));
  expect(await secretsIn()).toEqual(all);

  await remove(ids["first"]);
  expect(await secretsIn()).toEqual(["first_API_TOKEN", "second_API_KEY"]);
  expect(await deletions(ids["first"])).toMatchObject({ outcome: "allow", details: { secrets: ["first_OTHER_TOKEN"] } });
  await remove(ids["second"]);
  expect(await secretsIn()).toEqual([]);
  expect(await deletions(ids["second"])).toMatchObject({ details: { secrets: ["first_API_TOKEN", "second_API_KEY"] } });

  const gone = (await client.listAudit({ query: { action: "secret.deleted", limit: 200 } })).items;
  const byTarget = gone.toSorted((a, b) => a.target.localeCompare(b.target));
  expect(byTarget.map(({ target, details }) => [target, details])).toEqual([
    ["secret:production/first_API_TOKEN", { because: `mcp_server:${ids["second"] ?? ""}` }],
    ["secret:production/first_OTHER_TOKEN", { because: `mcp_server:${ids["first"] ?? ""}` }],
    ["secret:production/second_API_KEY", { because: `mcp_server:${ids["second"] ?? ""}` }],
  ]);
  expect([await secretsIn("test"), await secretsIn("production", stranger)]).toEqual([all, all]);
});

test("imports at the same time give each server a secret of its own, or say that its name is taken", async () => {
  // In opposite orders, so that each could wait for what the other has written.
  const importing = (onClash: "rename" | "fail", names = ["twin-a", "twin-b", "twin-c"]) => {
    const mcpServers = Object.fromEntries(names.map((name) => [name, { command: "not-here", env: { API_TOKEN: credential() } }]));
    return client.importMcpServers({ body: { document: { mcpServers }, onClash, start: false } });
  };
  const orders = Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? ["twin-a", "twin-b", "twin-c"] : ["twin-c", "twin-b", "twin-a"]));
  const found = (await Promise.all(orders.map((names) => importing("rename", names)))).flatMap(({ items }) => items);
  expect(new Set(found.map(({ name }) => name)).size).toBe(18);
  expect(new Set(found.flatMap(({ launch }) => (launch.transport === "stdio" ? Object.values(launch.env) : []))).size).toBe(18);
  for (const { id } of found) await remove(id);
  const settled = await Promise.allSettled([importing("fail"), importing("fail")]);
  const reasons = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  expect(reasons).toMatchObject([{ code: "name_taken" }]);
  for (const one of settled) if (one.status === "fulfilled") for (const { id } of one.value.items) await remove(id);
  expect((await secretsIn()).filter((name) => name.startsWith("twin"))).toEqual([]);
});

const requesting = (header: string) => ({
  version: 2 as const,
  name: `w-${newId()}`,
  nodes: [
    { id: "start", type: "start", data: {} },
    { id: "ask", type: "http", data: { method: "GET", url: "https://example.com/", headers: { authorization: header } } },
    { id: "end", type: "end", data: {} },
  ],
  edges: [
    { id: "e1", source: "start", target: "ask" },
    { id: "e2", source: "ask", target: "end" },
  ],
});
const http = (headers: Record<string, string>) => ({ transport: "http" as const, url: "https://example.com/mcp", headers });
const agent = (keySecret: string) => ({
  name: `a-${newId().slice(-12)}`,
  endpoint: { kind: "openai" as const, baseUrl: "https://example.com/v1", keySecret, models: ["m"] },
});
const server = (launch: ReturnType<typeof http> & { query?: Record<string, string> }) => ({
  name: `s-${newId().slice(-12)}`,
  launch,
  start: false,
});

describe("a secret stays that", () => {
  test.each<[string, (secret: string) => Promise<unknown>]>([
    ["another server sends in a header", (secret) => client.createMcpServer({ body: server(http({ "X-Key": `secret:${secret}` })) })],
    [
      "another server sends in its address",
      (secret) => client.createMcpServer({ body: server({ ...http({}), query: { key: `secret:${secret}` } }) }),
    ],
    [
      "another server has in its arguments",
      (secret) =>
        client.createMcpServer({
          body: {
            name: `s-${newId().slice(-12)}`,
            launch: { transport: "stdio", command: "not-here", args: [`--token=secret:${secret}`], env: {} },
            start: false,
          },
        }),
    ],
    ["an agent has as its key", (secret) => client.createAgent({ body: agent(secret) })],
    [
      "a workflow sends",
      (secret) => client.createWorkflow({ body: { name: `w-${newId()}`, definition: requesting(`Bearer {{ secrets.${secret} }}`) } }),
    ],
    [
      "only an older version of a workflow sends",
      async (secret) => {
        const definition = requesting(`Bearer {{ secrets.${secret} }}`);
        const { id } = await client.createWorkflow({ body: { name: definition.name, definition } });
        await client.updateWorkflow({ params: { id }, body: { definition: requesting("none") } });
      },
    ],
    [
      "a live run of a deleted workflow sends",
      async (secret) => {
        const definition = requesting(`Bearer {{ secrets.${secret} }}`);
        const start = { id: "start", type: "start", data: {} };
        const waits = { id: "hold", type: "wait", data: { signal: "go" } };
        const nodes = [start, waits, ...definition.nodes.slice(1)];
        const edges = [
          { id: "e0", source: "start", target: "hold" },
          { id: "e1", source: "hold", target: "ask" },
          ...definition.edges.slice(1),
        ];
        const { id } = await client.createWorkflow({ body: { name: definition.name, definition: { ...definition, nodes, edges } } });
        const run = await client.startRun({ params: { id }, body: {} });
        await eventually(
          () => client.getRun({ params: { id: run.id } }),
          ({ status }) => status === "waiting",
        );
        await client.deleteWorkflow({ params: { id } });
      },
    ],
    ["a person has replaced", (secret) => client.putSecret({ params: { name: secret }, body: { value: "a-value-of-my-own" } })],
  ])("%s", async (_who, use) => {
    const name = `kept-${newId().slice(-12)}`;
    const secret = `${name.replaceAll("-", "_")}_API_TOKEN`;
    const ids = await imported({ [name]: { command: "not-here", env: { API_TOKEN: credential() } } });
    expect(await secretsIn()).toContain(secret);
    await use(secret);
    await remove(ids[name]);
    expect(await secretsIn()).toContain(secret);
    expect((await deletions(ids[name]))?.details).toEqual({});
  });

  test("a person has stored, and the server only refers to", async () => {
    await client.putSecret({ params: { name: "MINE" }, body: { value: "a-value-of-my-own" } });
    const ids = await imported({ refers: { command: "not-here", env: { API_TOKEN: "secret:MINE" } } });
    await remove(ids["refers"]);
    expect(await secretsIn()).toContain("MINE");
  });
});

test("what only looks alike does not keep it, nor what was used by something that is deleted", async () => {
  const ids = await imported({ lone: { command: "not-here", env: { API_TOKEN: credential() } } });
  await client.createWorkflow({ body: { name: `w-${newId()}`, definition: requesting("Bearer {{ secrets.lone_API_TOKEN_2 }}") } });
  const deleted = await client.createAgent({ body: agent("lone_API_TOKEN") });
  await client.deleteAgent({ params: { id: deleted.id } });
  const other = await client.createMcpServer({ body: server(http({ "X-Key": "secret:lone_API_TOKEN" })) });
  await remove(other.id);
  expect(await secretsIn()).toContain("lone_API_TOKEN");
  await remove(ids["lone"]);
  expect(await secretsIn()).not.toContain("lone_API_TOKEN");
});

test("two servers that share one and are deleted at once leave nothing", async () => {
  const mcpServers = {
    left: { command: "not-here", env: { API_TOKEN: credential() } },
    right: { command: "not-here", env: { API_TOKEN: credential(), SHARED: "secret:left_API_TOKEN" } },
  };
  const ids = await imported(mcpServers);
  await Promise.all([remove(ids["left"]), remove(ids["right"])]);
  expect((await secretsIn()).filter((name) => /^(left|right)_/.test(name))).toEqual([]);
});
