import { AppError } from "#server/kernel/errors.ts";

/** What an aborted call fails with: the abort's own reason when it has a code, a timeout, or a cancellation. */
export function abortError(signal: AbortSignal, who: string): AppError {
  const reason: unknown = signal.reason;
  if (reason instanceof AppError) return reason;
  if (isTimeout(reason)) return new AppError("agent_timeout", `${who} did not answer in time.`, { retryable: true, cause: reason });
  return new AppError("step_cancelled", `The call of ${who} was cancelled.`, { cause: reason });
}

const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === "TimeoutError";

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Whether a call that failed with this is over for good, so that the agent should stop. A run that another worker has taken over goes on with it. */
export const endsWork = (error: AppError): boolean =>
  error.code === "step_cancelled" || error.code === "step_timeout" || error.code === "agent_timeout";
