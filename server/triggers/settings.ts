/** How triggers behave. Times in ms. */
export type TriggerSettings = {
  pollMs: number;
  /** How long a process may take to fire what it has claimed before another one does. */
  leaseMs: number;
  /** How long a slot waits before it looks again whether the run before it is over. */
  queueMs: number;
  /** Before the second attempt; grows threefold with each. */
  backoffMs: number;
  /** How long the receiver of a listener's webhook may take. */
  answerMs: number;
};

export const DEFAULT_SETTINGS: TriggerSettings = {
  pollMs: 500,
  leaseMs: 8_000,
  queueMs: 1_000,
  backoffMs: 5_000,
  answerMs: 10_000,
};
