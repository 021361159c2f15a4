import { A2AError } from "@a2a-js/sdk/errors";
import { AppError } from "#server/kernel/errors.ts";
import { abortError } from "../abort.ts";
import { appErrorWithin, networkReason } from "../bounded-fetch.ts";
import type { FetchWatch } from "./fetch-watch.ts";

type Failure = { who: string; signal: AbortSignal; watch: FetchWatch; doing: "connect" | "send" | "follow" };

/** Failures before a request has left: nothing can have happened on the other side. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

/** What a failed exchange with an A2A agent means. `step_in_doubt` is for the caller to decide: see `isOutcomeUnknown`. */
export function a2aError(thrown: unknown, { who, signal, watch, doing }: Failure): AppError {
  const own = appErrorWithin(thrown) ?? appErrorWithin(watch.failure);
  if (own) return own;
  if (signal.aborted) return abortError(signal, who);
  if (thrown instanceof A2AError) {
    return new AppError("agent_failed", `${who} refused the request (${thrown.reason || thrown.name}): ${thrown.message.slice(0, 500)}`, {
      cause: thrown,
    });
  }
  if (watch.failure !== undefined) {
    return new AppError("agent_unreachable", `${who} cannot be reached: ${networkReason(watch.failure)}.`, {
      retryable: true,
      cause: thrown,
    });
  }
  if (watch.status !== undefined && watch.status >= 400) return httpError(watch.status, who, thrown);
  const what = doing === "connect" ? "has no usable agent card" : "does not answer as A2A says";
  return new AppError("agent_protocol_error", `${who} ${what}: ${networkReason(thrown).slice(0, 500)}`, { cause: thrown });
}

function httpError(status: number, who: string, cause: unknown): AppError {
  if (status === 401 || status === 403) {
    return new AppError("agent_auth_required", `${who} answered with ${status}: it wants a credential.`, { cause });
  }
  const retryable = status === 408 || status === 429 || status >= 500;
  return new AppError(status === 404 ? "agent_protocol_error" : "agent_unreachable", `${who} answered with HTTP ${status}.`, {
    retryable,
    cause,
  });
}

/** Whether a failed `send` may have reached the agent all the same. */
export function isOutcomeUnknown(watch: FetchWatch): boolean {
  if (watch.failure !== undefined) return !wasNotSent(watch.failure);
  if (watch.status === undefined) return false;
  // 429 and 503 say that nothing was begun; below 400 the answer had started and then broke off.
  return watch.status < 400 || (watch.status >= 500 && watch.status !== 503);
}

function wasNotSent(thrown: unknown): boolean {
  if (appErrorWithin(thrown)?.code === "egress_denied") return true;
  let error = thrown;
  for (let depth = 0; depth < 8 && error instanceof Error; depth++) {
    if ("code" in error && typeof error.code === "string" && NOT_SENT.has(error.code)) return true;
    // Several addresses were tried: all of them must have failed before sending.
    if (error instanceof AggregateError) return error.errors.every(wasNotSent);
    error = error.cause;
  }
  return false;
}
