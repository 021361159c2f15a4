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
  readonly restart: Backoff;
  /** So many failures without a stable time in between, and the server is given up. */
  readonly quickFailures: number;
  /** A server that was up for so long starts again with a clean record. */
  readonly stableAfterMs: number;
  /** Between two checks of a server that is up. */
  readonly checkEveryMs: number;
  /** How often a process looks what others have done to the servers. */
  readonly followMs: number;
  /** How long a step may wait for the first list of tools before it is refused. */
  readonly firstListMs: number;
  readonly logFlushMs: number;
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
  reconnectFloorMs: 1_000,
  stopEofMs: 2_000,
  stopTermMs: 2_000,
  stopKillMs: 5_000,
  restart: { backoffMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 },
  quickFailures: 5,
  stableAfterMs: 60_000,
  checkEveryMs: 60_000,
  followMs: 2_000,
  firstListMs: 30_000,
  logFlushMs: 200,
  listChangedDebounceMs: 200,
  gatewayLookMs: 1_500,
  gatewayBeatMs: 15_000,
  sessionIdleMs: 30 * 60 * 1000,
};
