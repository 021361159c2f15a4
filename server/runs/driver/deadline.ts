/**
 * The work's result, or the signal's reason as soon as it aborts, even if the work ignores the signal. After `ms` (monotonic
 * time) `onTimeout` is called, which is expected to abort the signal. Work that outlives this is left to end by itself.
 */
type Deadline = { ms: number; onTimeout: () => void; signal: AbortSignal };

export async function withDeadline<T>(work: () => Promise<T>, { ms, onTimeout, signal }: Deadline): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  const timer = setTimeout(onTimeout, ms);
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
