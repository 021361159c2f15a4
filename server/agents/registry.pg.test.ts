import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgent, deleteAgent, getAgent, listAgents, listModels, testAgent, type CreateAgent } from "#contract/agents.ts";
import { closedPort, testAgents, type TestAgents } from "#test/support/agents.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { newAgentToken, parseAgentToken } from "./agent.ts";

let db: TestDatabase;
let at: TestAgents;
beforeAll(async () => {
  db = await testDatabase();
  at = await testAgents(db);
});
afterAll(async () => {
  await at.close();
  await db.close();
});

const custom = (name: string) => ({ name, endpoint: { kind: "custom" } });
const code = (code: string) => expect.objectContaining({ code });

describe("registering", () => {
  test("a custom agent gives its token once, and keeps only its hash", async () => {
    const made = await at.call(createAgent, { body: custom("scribe") });
    expect(made.token).toMatch(/^aut_agent_/);
    expect(made).toMatchObject({ name: "scribe", title: "scribe", status: "offline", skills: [] });
    expect(await at.call(getAgent, { params: { id: made.id } })).not.toHaveProperty("token");
    const { rows } = await db.ownerPool.query("select hash from agent_tokens where agent_id = $1", [made.id]);
    expect(rows).toEqual([{ hash: parseAgentToken(made.token ?? "")?.hash }]);
    expect(at.audited.filter(({ target }) => target === `agent:${made.id}`).map(({ action }) => action)).toEqual([
      "agent.created",
      "agent.token_issued",
    ]);
  });

  test("a name is taken once per environment, and free again after deletion", async () => {
    const first = await at.call(createAgent, { body: custom("twin") });
    await expect(at.call(createAgent, { body: custom("twin") })).rejects.toEqual(code("name_taken"));
    await at.call(createAgent, { body: { ...custom("twin"), environment: "test" } });
    await at.call(deleteAgent, { params: { id: first.id } });
    await at.call(createAgent, { body: custom("twin") });
    await expect(at.call(deleteAgent, { params: { id: first.id } })).rejects.toEqual(code("not_found"));
    await expect(at.call(getAgent, { params: { id: first.id } })).rejects.toEqual(code("not_found"));
  });

  test("the built-in provider's name and unstorable text are refused", async () => {
    await expect(at.call(createAgent, { body: custom("offline") })).rejects.toEqual(code("name_taken"));
    await expect(at.call(createAgent, { body: { ...custom("nul"), description: "a\0b" } })).rejects.toEqual(code("request_invalid"));
    await expect(at.call(createAgent, { body: { ...custom("half"), title: "a\ud800" } })).rejects.toEqual(code("request_invalid"));
  });

  test("an A2A agent that does not answer leaves nothing behind", async () => {
    const body = { name: "ghost", endpoint: { kind: "a2a", url: `http://127.0.0.1:${await closedPort()}/` } };
    await expect(at.call(createAgent, { body })).rejects.toEqual(code("agent_unreachable"));
    await expect(at.call(createAgent, { body, role: "designer" })).rejects.toMatchObject({
      code: expect.stringMatching(/agent_unreachable|egress_denied/),
    });
    const { items } = await at.call(listAgents);
    expect(items.map(({ name }) => name)).not.toContain("ghost");
  });

  test("only an owner's registration opens the way to a loopback address", async () => {
    const other = await testAgents(db);
    try {
      const body = { name: "near", endpoint: { kind: "a2a", url: `http://127.0.0.1:${await closedPort()}/` } };
      await expect(other.call(createAgent, { body, role: "designer" })).rejects.toEqual(code("egress_denied"));
    } finally {
      await other.close();
    }
  });

  test("lists in pages, newest first, without other tenants' agents", async () => {
    const other = await testAgents(db);
    try {
      for (const name of ["one", "two", "three"]) await other.call(createAgent, { body: custom(name) });
      const first = await other.call(listAgents, { query: { limit: 2 } });
      const second = await other.call(listAgents, { query: { limit: 2, cursor: first.nextCursor } });
      expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(["three", "two", "one"]);
      expect(second.nextCursor).toBeNull();
      await expect(other.call(listAgents, { query: { cursor: "nonsense" } })).rejects.toEqual(code("cursor_invalid"));
      const foreign = first.items[0]?.id ?? "";
      await expect(at.call(getAgent, { params: { id: foreign } })).rejects.toEqual(code("not_found"));
      await expect(at.call(deleteAgent, { params: { id: foreign } })).rejects.toEqual(code("not_found"));
      await expect(at.call(testAgent, { params: { id: foreign }, body: { input: null } })).rejects.toEqual(code("not_found"));
    } finally {
      await other.close();
    }
  });

  test("ensuring registers once, and then gives a fresh token that ends the earlier one", async () => {
    const agent: CreateAgent = { name: "sure", description: "", environment: "production", endpoint: { kind: "custom" } };
    const spec = { tenantId: at.tenantId, actor: "system", agent };
    const first = await at.agents.ensureAgent(spec);
    const second = await at.agents.ensureAgent(spec);
    expect(second.agent.id).toBe(first.agent.id);
    expect(await at.agents.agentSocket.authenticate(first.token ?? "")).toBeUndefined();
    expect(await at.agents.agentSocket.authenticate(second.token ?? "")).toMatchObject({ agentId: first.agent.id, name: "sure" });
    const provider: CreateAgent = { ...agent, endpoint: { kind: "openai", baseUrl: "https://models.example/v1", models: [] } };
    await expect(at.agents.ensureAgent({ ...spec, agent: provider })).rejects.toEqual(code("agent_unknown"));
  });

  test("ensuring a provider again with another address brings it up to date", async () => {
    const moving = (baseUrl: string): CreateAgent => ({
      name: "moving",
      description: "",
      environment: "production",
      endpoint: { kind: "openai", baseUrl, models: ["m"] },
    });
    const spec = (baseUrl: string) => ({ tenantId: at.tenantId, actor: "system", agent: moving(baseUrl) });
    await at.agents.ensureAgent(spec("http://127.0.0.1:8091/v1"));
    const { agent } = await at.agents.ensureAgent(spec("http://127.0.0.1:8092/v1"));
    expect(agent.endpoint).toMatchObject({ baseUrl: "http://127.0.0.1:8092/v1" });
    expect(await at.call(getAgent, { params: { id: agent.id } })).toMatchObject({ endpoint: { baseUrl: "http://127.0.0.1:8092/v1" } });
  });

  test("the models are the built-in one and those that providers list", async () => {
    const { items } = await at.call(listModels);
    expect(items[0]).toEqual({
      id: "offline/extractive",
      provider: "offline",
      languageModel: false,
      description: "no language model: extractive text statistics",
    });
    expect(items.map(({ id }) => id)).toContain("moving/m");
  });
});

describe("agent tokens", () => {
  test("name their workspace and are hashed as a whole", async () => {
    const { token, hash } = newAgentToken(at.tenantId);
    expect(parseAgentToken(token)).toEqual({ tenantId: at.tenantId, hash });
    for (const wrong of ["", "aut_agent_", `${token}x`, token.slice(0, -1), token.replace("aut_agent_", "aut_user__")]) {
      expect(parseAgentToken(wrong)).toBeUndefined();
    }
  });

  test("of another workspace, or unknown ones, are nobody's", async () => {
    expect(await at.agents.agentSocket.authenticate(newAgentToken(at.tenantId).token)).toBeUndefined();
    expect(await at.agents.agentSocket.authenticate("nonsense")).toBeUndefined();
  });
});
