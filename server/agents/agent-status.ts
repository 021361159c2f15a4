import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Database, LiveBus } from "#server/kernel/ports.ts";
import type { AgentRecord } from "./agent.ts";
import { setStatus } from "./store.pg.ts";

/** Runs a call and keeps the agent's stored status true: online when it answers, offline when it cannot be reached. */
export type NoteReachable = <T>(agent: AgentRecord, call: () => Promise<T>) => Promise<T>;

type Deps = { database: Database; live: LiveBus; log: Log };

export function noteReachable(deps: Deps): NoteReachable {
  return async (agent, call) => {
    try {
      const result = await call();
      await note(deps, agent, "online");
      return result;
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === "agent_unreachable") await note(deps, agent, "offline");
      throw thrown;
    }
  };
}

/** The call itself has succeeded or failed already; a status that cannot be stored must not change that. */
async function note({ database, live, log }: Deps, agent: AgentRecord, status: "online" | "offline"): Promise<void> {
  if (agent.status === status || agent.endpoint.kind === "custom") return;
  try {
    const changed = await database.asTenant(agent.tenantId, (tx) => setStatus(tx, { id: agent.id, status }));
    if (changed) live.publish(agent.tenantId, { type: "agent", agentId: agent.id, status });
  } catch (error) {
    log.warn("an agent's status could not be stored", { agent: agent.name, error });
  }
}
