import type { Backoff } from "#server/kernel/backoff.ts";

/** Every wait of the slice, in one place, so that tests can shorten them. */
export type Timings = {
  /** How long a server may stay silent on `server/discover` before it counts as one of the 2025 era. */
  readonly probeMs: number;
  /** From the handshake's first message to its end. */
  readonly handshakeMs: number;
  readonly listMs: number;
  /** From an HTTP request that is no call to the headers of its answer. */
  readonly httpHeadersMs: number;
  /** Between two parts of a document, and from its first to its last. */
  readonly httpIdleMs: number;
  readonly httpBodyMs: number;
  /** The least pause before a stream of events that ended is opened again. */
  readonly reconnectFloorMs: number;
  /** After stdin is closed, before SIGTERM. */
  readonly stopEofMs: number;
  /** After SIGTERM, before SIGKILL. */
  readonly stopTermMs: number;
  /** How long SIGKILL is repeated until nothing is left. */
  readonly stopKillMs: number;
  /** Between two looks at what processes there are and what they use. */
  readonly watchMs: number;
  /** For so long a server may use more of the processors than it is allowed. */
  readonly cpuWindowMs: number;
  /** Between two looks at the size of servers' folders. */
  readonly diskLookMs: number;
  readonly restart: Backoff;
  /** So many failures without a stable time in between, and the server is given up. */
  readonly quickFailures: number;
  /** A server that was up for so long starts again with a clean record. */
  readonly stableAfterMs: number;
  /** Before a server that was given up is tried once more by itself; longer each time. */
  readonly probe: Backoff;
  /** Between two checks whether a server answers. */
  readonly checkEveryMs: number;
  /** How long such an answer may take. */
  readonly checkTimeoutMs: number;
  /** The same between two checks of which the first has failed. */
  readonly recheckMs: number;
  /** Between two lists of a server's tools that nothing has asked for. */
  readonly listEveryMs: number;
  /** After a connection beyond the first could not be opened, before it is tried again. */
  readonly poolPauseMs: number;
  /** How long a pool's connection beyond the first, and a session's, may be without a call. */
  readonly poolIdleMs: number;
  readonly poolSessionIdleMs: number;
  /** How often a process looks what others have done to the servers. */
  readonly followMs: number;
  /** How often steps are looked for that waited for a decision about a tool and can go on. */
  readonly settleMs: number;
  /** How long a step may wait for the first list of tools before it is refused. */
  readonly firstListMs: number;
  /** How long an import waits for the first attempts of what it has registered; they go on after that. */
  readonly importWaitMs: number;
  readonly logFlushMs: number;
  /** Between two attempts to store what has happened while the database is gone. */
  readonly writeAgainMs: number;
  readonly listChangedDebounceMs: number;
  /** How often the gateway looks whether its clients may go on, and what has changed for them. */
  readonly gatewayLookMs: number;
  /** Between two signs of life on quiet streams of the gateway. */
  readonly gatewayBeatMs: number;
  /** A session of the gateway that has been quiet for so long ends. */
  readonly sessionIdleMs: number;
};

export const TIMINGS: Timings = {
  probeMs: 5_000,
  handshakeMs: 30_000,
  listMs: 30_000,
  httpHeadersMs: 30_000,
  httpIdleMs: 30_000,
  httpBodyMs: 300_000,
  reconnectFloorMs: 500,
  stopEofMs: 2_000,
  stopTermMs: 2_000,
  stopKillMs: 5_000,
  watchMs: 1_000,
  cpuWindowMs: 30_000,
  diskLookMs: 2_000,
  restart: { backoffMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 },
  quickFailures: 5,
  stableAfterMs: 60_000,
  probe: { backoffMs: 60_000, factor: 2, maxMs: 15 * 60_000, jitter: 0.3 },
  checkEveryMs: 15_000,
  checkTimeoutMs: 10_000,
  recheckMs: 1_000,
  listEveryMs: 60_000,
  poolPauseMs: 10_000,
  poolIdleMs: 60_000,
  poolSessionIdleMs: 10 * 60_000,
  followMs: 2_000,
  settleMs: 2_000,
  firstListMs: 30_000,
  importWaitMs: 120_000,
  logFlushMs: 200,
  writeAgainMs: 1_000,
  listChangedDebounceMs: 200,
  gatewayLookMs: 1_500,
  gatewayBeatMs: 15_000,
  sessionIdleMs: 30 * 60 * 1000,
};
