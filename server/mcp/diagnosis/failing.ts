import type { ErrorCode } from "#contract/errors.ts";
import { AppError } from "#server/kernel/errors.ts";
import { networkFailure } from "../connection/network-failure.ts";

/** What a step of the check fails with, if that says something about the server. */
export async function failing(task: Promise<unknown>): Promise<AppError | undefined> {
  try {
    await task;
    return undefined;
  } catch (thrown) {
    if (thrown instanceof AppError && !OURS.has(thrown.code)) return thrown;
    const failure = networkFailure(thrown);
    if (failure) return failure;
    throw thrown;
  }
}

/** Of the platform, not of the server. */
const OURS: ReadonlySet<ErrorCode> = new Set(["database_unavailable", "unavailable", "internal"]);
