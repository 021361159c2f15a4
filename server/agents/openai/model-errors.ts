import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from "openai";
import { AppError } from "#server/kernel/errors.ts";
import { abortError } from "../abort.ts";
import { appErrorWithin, networkReason } from "../bounded-fetch.ts";

/** What a failed call of a model means for the step. The provider's own message is kept, shortened. */
export function modelError(thrown: unknown, { model, signal }: { model: string; signal: AbortSignal }): AppError {
  const own = appErrorWithin(thrown);
  if (own) return own;
  if (signal.aborted || thrown instanceof APIUserAbortError) return abortError(signal, model);
  if (thrown instanceof APIConnectionTimeoutError) {
    return new AppError("agent_timeout", `${model} did not answer in time.`, { retryable: true, cause: thrown });
  }
  if (thrown instanceof APIConnectionError) {
    return new AppError("agent_unreachable", `The provider of ${model} cannot be reached: ${networkReason(thrown.cause)}.`, {
      retryable: true,
      cause: thrown,
    });
  }
  if (thrown instanceof APIError) return answered(thrown, model);
  return new AppError("model_failed", `${model} answered with something that is no chat completion: ${networkReason(thrown)}.`, {
    cause: thrown,
  });
}

function answered(error: APIError, model: string): AppError {
  const { status } = error;
  const message = error.message.slice(0, 500);
  if (status === 429) {
    const wait = retryAfterSeconds(error.headers);
    return new AppError(
      "model_rate_limited",
      `${model} is rate limited${wait === undefined ? "" : `; try again in ${wait} s`}: ${message}`,
      {
        retryable: true,
        retryAfterMs: wait === undefined ? undefined : wait * 1_000,
        cause: error,
      },
    );
  }
  // Without a status the provider had begun to stream and then sent an error.
  const retryable = status === undefined || status === 408 || status === 409 || status >= 500;
  return new AppError("model_failed", `${model} answered with ${status ?? "an error in its stream"}: ${message}`, {
    retryable,
    cause: error,
  });
}

/** `retry-after` in seconds or as a date; undefined when absent, unreadable or longer than an hour. */
function retryAfterSeconds(headers: Headers | undefined): number | undefined {
  const value = headers?.get("retry-after");
  if (value === null || value === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return seconds >= 0 && seconds <= 3_600 ? Math.ceil(seconds) : undefined;
}
