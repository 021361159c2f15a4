import { vi } from "vitest";
import type { Sharing } from "#contract/mcp/settings.ts";
import type { Launch, ServerState } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { silentLog } from "#server/kernel/log.ts";
import { ServerCatalogue } from "#server/mcp/catalogue/server-catalogue.ts";
import type { Connected } from "#server/mcp/connection/connect.ts";
import type { ServerRecord } from "#server/mcp/registration/server-record.ts";
import { SupervisedServer } from "#server/mcp/supervision/supervised-server.ts";
import { TIMINGS, type Timings } from "#server/mcp/supervision/timings.ts";

const RECORD = {
  id: "s",
  tenantId: "t",
  name: "files",
  launch: { transport: "http", url: "https://example.com/mcp", headers: {} },
  settings: {},
  approvedRoots: null,
  catalogueTrusted: true,
  desired: "stopped",
  state: "STOPPED",
  restarts: 0,
  quarantine: null,
  lastError: null,
  health: null,
  nextAttemptAt: null,
} as unknown as ServerRecord;

/** What the server's outside does; changed by a test at any time. */
type Outside = {
  connects: "at once" | "never" | "fails" | "only with a person";
  isWell: boolean;
  survivors: number;
  /** Called while a launch is looked at. */
  whileLooking: () => void;
  tools: object[];
  /** Whether the database is there, and what a write of a state waits for. */
  isStored: boolean;
  saving: Promise<unknown> | undefined;
  /** What the end of a connection waits for. */
  closing: Promise<unknown> | undefined;
};

const refusal = (code: "mcp_exited" | "mcp_unauthorized"): AppError => new AppError(code, "It does not start.", { retryable: true });

const gone = (): AppError => new AppError("database_unavailable", "The connection to PostgreSQL was refused or lost.");

type Settings = { timings?: Partial<Timings>; sharing?: Sharing; launch?: Launch };

/** A supervised server whose outside is in memory: it keeps the states that were written and the connections that are open. */
export function arrange({ timings, sharing, launch = RECORD.launch }: Settings = {}) {
  const outside: Outside = {
    connects: "at once",
    isWell: true,
    survivors: 0,
    whileLooking: () => {},
    tools: [],
    isStored: true,
    saving: undefined,
    closing: undefined,
  };
  const launched: ServerRecord["launch"][] = [];
  const states: ServerState[] = ["STOPPED"];
  const open = new Set<Connected>();
  const losers = new Map<Connected, (error: AppError) => void>();
  const mustBeStored = (): void => {
    if (!outside.isStored) throw gone();
  };
  const connection = (): Connected => {
    const lost = Promise.withResolvers<AppError>();
    const one = {
      transport: "http",
      pid: null,
      protocolVersion: "2025-11-25",
      serverVersion: null,
      verdict: undefined,
      lost: lost.promise,
      lossReason: () => undefined,
      settle: async () => {},
      listTools: async () => outside.tools,
      ping: async () => {
        if (!outside.isWell) throw new AppError("mcp_timeout", "The tool did not answer in time.");
      },
      close: async () => {
        await outside.closing;
        open.delete(one);
        return outside.survivors;
      },
    } as Partial<Connected> as Connected;
    open.add(one);
    losers.set(one, lost.resolve);
    return one;
  };
  const connect = (record: ServerRecord, { signal }: { signal: AbortSignal }): Promise<Connected> => {
    launched.push(record.launch);
    if (!outside.isStored) return Promise.reject(gone());
    if (outside.connects === "fails") return Promise.reject(refusal("mcp_exited"));
    if (outside.connects === "only with a person") return Promise.reject(refusal("mcp_unauthorized"));
    if (outside.connects === "at once") return Promise.resolve(connection());
    return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(refusal("mcp_exited")), { once: true }));
  };
  const fast = { backoffMs: 1, factor: 1, maxMs: 1, jitter: 0 };
  const catalogue = new ServerCatalogue(
    {
      newId: () => "id",
      note: () => {},
      saveCatalogue: async (_server, { compare }) => {
        mustBeStored();
        return compare({ around: [], stored: [], pins: true });
      },
    },
    { tools: [], isPinned: false },
  );
  const server: SupervisedServer = new SupervisedServer(
    {
      checkLaunch: async () => {
        outside.whileLooking();
        return { file: undefined, hashes: { launchHash: "h", approvedLaunchHash: "h" } };
      },
      connect,
      reload: async () => {
        mustBeStored();
        return { record: server.record, tools: [], isPinned: true };
      },
      saveState: async ({ state }) => {
        states.push(state);
        await outside.saving;
      },
      saveQuarantine: async () => {},
      saveHealth: async () => {},
      leads: () => true,
      isShared: false,
      onDemand: false,
      note: () => {},
      redact: (text) => text,
      log: silentLog,
      timings: {
        ...TIMINGS,
        restart: fast,
        probe: { ...fast, backoffMs: 3, maxMs: 3 },
        quickFailures: 3,
        checkEveryMs: 2,
        recheckMs: 2,
        ...timings,
      },
      random: () => 0,
      now: () => new Date(),
    },
    { ...RECORD, launch, settings: sharing ? { sharing } : {} },
    catalogue,
  );
  /** One connection, or all that are open. */
  const lose = (which?: Connected): void => {
    for (const [one, resolve] of losers) if (open.has(one) && (which ?? one) === one) resolve(refusal("mcp_exited"));
  };
  const quarantine = (): Promise<void> => {
    server.adopt({ quarantine: { reason: "r", by: "user:1", since: "2026-01-01T00:00:00.000Z" } });
    return server.reconcile();
  };
  const release = (): Promise<void> => {
    server.adopt({ quarantine: null });
    return server.reconcile();
  };
  const start = (): Promise<void> => server.start().catch(() => {});
  const reaches = (state: ServerState): Promise<void> => vi.waitFor(() => expectState(server, state), { interval: 1, timeout: 5_000 });
  return { outside, launched, states, open, server, lose, quarantine, release, start, reaches };
}

function expectState({ record }: SupervisedServer, state: ServerState): void {
  if (record.state !== state) throw new Error(`expected the server to be ${state}; it is ${record.state}`);
}

export type World = ReturnType<typeof arrange>;
