import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Endpoint } from "./identity.ts";
import type { Served } from "./protocol-server.ts";
import type { SessionTransport } from "./session-transport.ts";

export type Session = {
  readonly id: string;
  readonly principalId: string;
  /** The endpoint it was opened at; it exists at no other. */
  readonly endpoint: Endpoint;
  readonly transport: SessionTransport;
  readonly served: Served;
  /** Whether the credentials that were shown last are still good. */
  mayGoOn: () => Promise<boolean>;
  usedAt: number;
};

type Owner = { principalId: string; endpoint: string };

export type Sessions = {
  /** Undefined for whoever did not open it, exactly as for one that does not exist. */
  find(id: string, owner: Owner): Session | undefined;
  /** Ends the caller's quietest session when it has too many; throws `rate_limited` when none of them is quiet. */
  add(session: Session): void;
  end(session: Session): Promise<void>;
  /** Ends what has been quiet for too long and what may not go on; keeps the rest open. */
  look(now: number): Promise<void>;
  all(): Session[];
};

export function createSessions(idleMs: number): Sessions {
  const byId = new Map<string, Session>();
  const end = async (session: Session): Promise<void> => {
    byId.delete(session.id);
    await session.served.mcp.close();
    for (const server of session.endpoint.exposure.servers()) server.endSession(session.id);
  };
  const makeRoom = (principalId: string): void => {
    const own = [...byId.values()].filter((session) => session.principalId === principalId);
    if (own.length < LIMITS.mcpSessionsPerCaller) return;
    const [quietest] = own.filter(({ transport }) => transport.openCount === 0).sort((a, b) => a.usedAt - b.usedAt);
    if (quietest === undefined) {
      throw new AppError("rate_limited", `At most ${LIMITS.mcpSessionsPerCaller} sessions of one caller may be in use at once.`);
    }
    void end(quietest);
  };
  const isOver = async ({ transport, usedAt, mayGoOn }: Session, now: number): Promise<boolean> => {
    if (transport.openCount === 0) return now - usedAt > idleMs;
    // What cannot be asked now is asked again at the next look.
    return !(await mayGoOn().catch(() => true));
  };
  return {
    find: (id, { principalId, endpoint }) => {
      const session = byId.get(id);
      return session?.principalId === principalId && session.endpoint.key === endpoint ? session : undefined;
    },
    add(session) {
      makeRoom(session.principalId);
      byId.set(session.id, session);
    },
    end,
    async look(now) {
      await Promise.all(
        [...byId.values()].map(async (session) => ((await isOver(session, now)) ? end(session) : session.served.subscriptions.look())),
      );
    },
    all: () => [...byId.values()],
  };
}
