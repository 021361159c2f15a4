import type { AgentCard } from "@a2a-js/sdk";
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory, type Client } from "@a2a-js/sdk/client";
import { LRUCache } from "lru-cache";
import type { Skill } from "#contract/agents.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Egress, SecretReader } from "#server/kernel/ports.ts";
import type { AgentOf } from "../agent.ts";
import { boundedFetch } from "../bounded-fetch.ts";
import { a2aError } from "./a2a-errors.ts";
import { watched, type FetchWatch } from "./fetch-watch.ts";

export type A2aDeps = { egress: Egress; secrets: SecretReader };
export type A2aConnection = { client: Client; card: AgentCard; streams: boolean; watch: FetchWatch };

const CARD_MS = 15_000;
const CARD_CACHE_MS = 5 * 60_000;
const MAX_ANSWER_BYTES = 4 * LIMITS.stepOutputBytes;

/** Connects by the agent's card. Cards are kept for 5 minutes; `forget` drops one after a failure. */
export function createA2aConnector({ egress, secrets }: A2aDeps) {
  const cards = new LRUCache<string, AgentCard>({ max: 1_000, ttl: CARD_CACHE_MS });

  const open = async (agent: AgentOf<"a2a">, signal: AbortSignal): Promise<A2aConnection> => {
    const watch: FetchWatch = { status: undefined, failure: undefined };
    try {
      const fetch = watched(await fetchOf(agent), watch);
      const card = cards.get(agent.id) ?? (await readCard(agent, fetch, signal));
      cards.set(agent.id, card);
      const legacyCompat = { enabled: true };
      const factory = new ClientFactory({
        transports: [
          new JsonRpcTransportFactory({ fetchImpl: fetch, legacyCompat }),
          new RestTransportFactory({ fetchImpl: fetch, legacyCompat }),
        ],
      });
      const client = await factory.createFromAgentCard(card);
      return { client, card, streams: card.capabilities?.streaming === true, watch };
    } catch (thrown) {
      throw a2aError(thrown, { who: agent.name, signal, watch, doing: "connect" });
    }
  };

  const fetchOf = async (agent: AgentOf<"a2a">): Promise<typeof globalThis.fetch> => {
    const { tenantId, environment, id, name: who } = agent;
    const { keySecret: name, url } = agent.endpoint;
    const key = name === undefined ? undefined : await secrets.read({ tenantId, name, environment, usedBy: `agent:${id}` });
    const bounded = boundedFetch(egress.fetchFor(tenantId, "a2a_agent"), { maxBytes: MAX_ANSWER_BYTES, who });
    const home = new URL(url).origin;
    return (input, init) => {
      // A card may name interfaces at other addresses; the key is for the address it was registered with.
      const target = new URL(input instanceof Request ? input.url : input);
      if (key === undefined || target.origin !== home) return bounded(input, init);
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${key}`);
      return bounded(input, { ...init, headers });
    };
  };

  return { open, forget: (agentId: string) => void cards.delete(agentId) };
}
export type A2aConnector = ReturnType<typeof createA2aConnector>;

/** `url` is the card itself when it ends in `.json`, else the address below which `/.well-known/agent-card.json` lies. */
async function readCard(agent: AgentOf<"a2a">, fetch: typeof globalThis.fetch, signal: AbortSignal): Promise<AgentCard> {
  const url = new URL(agent.endpoint.url);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CARD_MS)]);
  const resolver = new DefaultAgentCardResolver({
    fetchImpl: (input, init) => fetch(input, { ...init, signal: limit }),
    legacyCompat: { enabled: true },
  });
  if (url.pathname.endsWith(".json")) return resolver.resolve(url.href, "");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return resolver.resolve(url.href);
}

/** An A2A card declares no effects and no schemas; everything an A2A agent does counts as done once. */
export const skillsOf = (card: AgentCard): Skill[] =>
  card.skills.slice(0, 64).map((skill) => ({
    name: (skill.id || skill.name).slice(0, 128),
    description: skill.description.slice(0, LIMITS.descriptionChars),
    effect: "once",
  }));
