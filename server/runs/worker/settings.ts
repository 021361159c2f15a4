/** How a worker behaves. Times in ms. */
export type WorkerSettings = {
  /** Runs in memory at once; starts beyond wait in the table. */
  maxLiveRuns: number;
  /** How long the others wait before they take over from a worker that is silent. Renewed four times as often. */
  leaseMs: number;
  pollMs: number;
  /** A run that has to wait no longer than this stays in memory. */
  keepMs: number;
  /** How long `stop` lets open calls go on. Leases are kept meanwhile. */
  drainMs: number;
  /** This instance's name is its own for ever and its earlier incarnation is dead: its runs are taken over at once. */
  takeOverAtStart: boolean;
  /** Runs with a past that are taken in per second, as after the death of another worker: each has a journal to be read. */
  resumesPerSecond: number;
  /** How long a run that could not be loaded is left alone. */
  loadAgainMs: number;
  /** So many deaths of its holders in a row, or failures to load it, without any progress, stop a run until somebody requeues it. At least 3. */
  maxCrashes: number;
};

export const DEFAULT_SETTINGS: WorkerSettings = {
  maxLiveRuns: 1_000,
  leaseMs: 8_000,
  pollMs: 500,
  keepMs: 1_000,
  drainMs: 2_000,
  takeOverAtStart: false,
  resumesPerSecond: 1_000,
  loadAgainMs: 30_000,
  maxCrashes: 5,
};
