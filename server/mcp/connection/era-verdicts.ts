import { LRUCache } from "lru-cache";
import type { ServerRecord, StoredVerdict } from "../registration/server-record.ts";

/** How the next handshake begins: by asking which era the server is of, or with the first message of the 2025 era. */
export type Opening = "auto" | "legacy";

/** How long a server is known to be of the 2025 era before it is asked again. */
const VERDICT_MS = 60 * 60 * 1000;
const MOST_SERVERS = 10_000;

type Known = Pick<StoredVerdict, "launchHash" | "decidedAt"> & { era: StoredVerdict["era"] | "unknown" };

/**
 * Which servers need not be asked. A verdict is about one launch, gets old, and is dropped when a handshake that relied on it
 * fails: servers are updated behind their address. Of the stored verdict and the one of this process the younger counts.
 */
export type EraVerdicts = {
  opening(server: ServerRecord): Opening;
  /** The verdict to keep: the one relied upon, with its date, or a new one. */
  found(server: ServerRecord, opening: Opening, found: Pick<StoredVerdict, "era" | "protocolVersion">): StoredVerdict;
  doubt(server: ServerRecord): void;
  /** It ended on being asked; whether it is of the 2025 era has yet to be seen. */
  suppose(server: ServerRecord): void;
};

export function createEraVerdicts(now: () => Date): EraVerdicts {
  const own = new LRUCache<string, Known>({ max: MOST_SERVERS });
  const known = ({ id, era: stored, launchHash }: ServerRecord): Known | undefined => {
    const mine = own.get(id);
    const younger = mine && (stored === null || mine.decidedAt >= stored.decidedAt) ? mine : (stored ?? undefined);
    const isOld = younger !== undefined && now().getTime() - Date.parse(younger.decidedAt) >= VERDICT_MS;
    return isOld || younger?.launchHash !== launchHash ? undefined : younger;
  };
  const keep = ({ id, launchHash }: ServerRecord, era: Known["era"]): string => {
    const decidedAt = now().toISOString();
    own.set(id, { era, launchHash, decidedAt });
    return decidedAt;
  };
  return {
    opening: (server) => (known(server)?.era === "legacy" ? "legacy" : "auto"),
    found(server, opening, { era, protocolVersion }) {
      const relied = opening === "legacy" ? known(server) : undefined;
      const decidedAt = relied?.decidedAt ?? keep(server, era);
      return { era, protocolVersion, decidedAt, launchHash: server.launchHash };
    },
    doubt: (server) => void keep(server, "unknown"),
    suppose: (server) => void keep(server, "legacy"),
  };
}
