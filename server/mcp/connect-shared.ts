import type { AppError } from "#server/kernel/errors.ts";
import type { Egress, FrameSink, Redactor, SecretReader } from "#server/kernel/ports.ts";
import { frameRecorder, type FrameRecorder } from "./frames.ts";
import { secretName } from "./launch.ts";
import type { ProcessJournal } from "./process-journal.ts";
import type { ServerLogs } from "./server-logs.ts";
import type { ServerRecord } from "./server-record.ts";
import type { Timings } from "./timings.ts";

export type ConnectOptions = {
  /** Gives up: the attempt ends and leaves nothing behind. */
  signal: AbortSignal;
  onToolsChanged: () => void;
  /** Of a stdio server: the executable that was approved. */
  file: string | undefined;
};

export type ConnectDeps = {
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  redactor: Redactor;
  logs: ServerLogs;
  processes: ProcessJournal;
  newId: () => string;
  dataDir: string;
  /** What children find commands in. */
  path: string;
  version: string;
  timings: Timings;
};

/** Values with the secrets that they refer to. */
export async function resolveValues(
  secrets: SecretReader,
  server: ServerRecord,
  values: Record<string, string>,
): Promise<Record<string, string>> {
  const { tenantId, environment } = server;
  const resolved = Object.entries(values).map(async ([key, value]) => {
    const name = secretName(value);
    return [
      key,
      name === undefined ? value : await secrets.read({ tenantId, name, environment, usedBy: `mcp_server:${server.id}` }),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(resolved));
}

export const recorder = (deps: ConnectDeps, server: ServerRecord, connectionId: string): FrameRecorder =>
  frameRecorder({ sink: deps.frames, tenantId: server.tenantId, serverName: server.name, connectionId });

/** One end of a conversation: `lose` counts only until it was asked for. */
export function ending(): { asked: boolean; lost: Promise<AppError>; lose: (error: AppError) => void } {
  const { promise, resolve } = Promise.withResolvers<AppError>();
  const end = { asked: false, lost: promise, lose: (error: AppError): void => (end.asked ? undefined : resolve(error)) };
  return end;
}

/** Runs a task at most once; everybody gets its result. */
export function once<T>(task: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => (running ??= task());
}
