import type { AppError } from "#server/kernel/errors.ts";
import { changedMeanwhile } from "../registration/check-launch.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import { refusalOf } from "../supervision/refusal.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";

const LOOK_MS = 500;

/** Aborts soon after the server is deleted, taken out or given another launch, here or in another process: then nothing of it may go on. */
export function watchRegistration(supervisor: Supervisor, server: SupervisedServer): { signal: AbortSignal; stop(): void } {
  const over = new AbortController();
  const launch = JSON.stringify(server.record.launch);
  const reason = (): AppError | undefined => {
    const { record } = server;
    if (!supervisor.held().includes(server)) return serverNotFound(record.id);
    if (record.quarantine !== null) return refusalOf(record);
    return JSON.stringify(record.launch) === launch ? undefined : changedMeanwhile(record);
  };
  const timer = setInterval(() => {
    const why = reason();
    if (why !== undefined) over.abort(why);
  }, LOOK_MS).unref();
  return { signal: over.signal, stop: () => clearInterval(timer) };
}
