/**
 * The work's result, or the signal's reason as soon as it aborts, even if the work ignores the signal. After `ms` (monotonic
 * time) `onTimeout` is called, which is expected to abort the signal. Work that outlives this is left to end by itself.
 */
type Deadline = { ms: number; onTimeout: () => void; signal: AbortSignal };

/** Stops the time until the returned function is called; several may do so at once. */
type Hold = () => () => void;

export async function withDeadline<T>(work: (hold: Hold) => Promise<T>, { ms, onTimeout, signal }: Deadline): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  const clock = stoppable(ms, onTimeout);
  try {
    return await Promise.race([work(clock.hold), aborted]);
  } finally {
    clock.end();
    signal.removeEventListener("abort", onAbort);
  }
}

function stoppable(ms: number, onTimeout: () => void): { hold: Hold; end: () => void } {
  let leftMs = ms;
  let since = performance.now();
  let holders = 0;
  let isOver = false;
  let timer = setTimeout(onTimeout, ms);
  const release = (): void => {
    holders -= 1;
    if (holders > 0 || isOver) return;
    since = performance.now();
    timer = setTimeout(onTimeout, leftMs);
  };
  const hold: Hold = () => {
    holders += 1;
    if (holders === 1) {
      clearTimeout(timer);
      leftMs = Math.max(1, leftMs - (performance.now() - since));
    }
    let isReleased = false;
    return () => {
      if (!isReleased) release();
      isReleased = true;
    };
  };
  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
  };
  return { hold, end };
}
