import type { CreateMessageResult } from "@modelcontextprotocol/client";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import type { McpTransport } from "#contract/messages.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { Egress, FrameSink, Redactor, SecretReader } from "#server/kernel/ports.ts";
import type { Connection } from "./connection.ts";
import { frameRecorder, type FrameRecorder } from "./frames.ts";
import { ownAddress } from "./questions.ts";
import { holdsCredential, isCredential, readArgument, secretInArgument, secretName } from "../registration/launch.ts";
import type { ProcessJournal } from "../process/process-journal.ts";
import type { SpawnServer } from "../process/server-process.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";
import { settingsInForce, type ServerRecord } from "../registration/server-record.ts";
import type { Answering, SamplingRequest } from "./server-requests.ts";
import type { Timings } from "../supervision/timings.ts";

export type ConnectOptions = {
  /** Gives up: the attempt ends and leaves nothing behind. */
  signal: AbortSignal;
  onToolsChanged: () => void;
  /** Called when there is a process, or a first answer of an HTTP server: what follows is the handshake. */
  onOpen?: () => void;
  /** The server's settings as they are now; by default those that it was registered with. */
  settings?: () => ServerSettings;
  /** Of a stdio server: the executable that was approved. */
  file: string | undefined;
};

/** Answers a server's request for a model's words, if its settings allow it. Rejects with an `AppError`. */
export type Sampler = (server: ServerRecord, request: SamplingRequest & { settings: ServerSettings }) => Promise<CreateMessageResult>;

export type ConnectDeps = {
  egress: Egress;
  secrets: SecretReader;
  /** Makes the redactor know a credential that somebody has written into the launch itself. */
  conceal?: ((value: string) => void) | undefined;
  frames: FrameSink;
  redactor: Redactor;
  logs: ServerLogs;
  sample: Sampler;
  processes: ProcessJournal;
  spawn: SpawnServer;
  newId: () => string;
  now: () => Date;
  dataDir: string;
  /** What children find commands in. */
  path: string;
  version: string;
  timings: Timings;
};

type Resolving = Pick<ConnectDeps, "secrets" | "conceal">;

/** Values with the secrets that they refer to. */
export async function resolveValues(
  { secrets, conceal }: Resolving,
  server: ServerRecord,
  values: Record<string, string>,
): Promise<Record<string, string>> {
  const { tenantId, environment } = server;
  const resolved = Object.entries(values).map(async ([key, value]) => {
    const name = secretName(value);
    if (isCredential(key, value)) conceal?.(value);
    return [
      key,
      name === undefined ? value : await secrets.read({ tenantId, name, environment, usedBy: `mcp_server:${server.id}` }),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(resolved));
}

/** Arguments with the secrets that they refer to. */
export async function resolveArguments({ secrets, conceal }: Resolving, server: ServerRecord, args: readonly string[]): Promise<string[]> {
  const { tenantId, environment, id } = server;
  const resolve = async (arg: string, at: number): Promise<string> => {
    const found = secretInArgument(arg);
    if (holdsCredential(args, at)) conceal?.(readArgument(args, at).value);
    if (found === undefined) return arg;
    return found.before + (await secrets.read({ tenantId, name: found.name, environment, usedBy: `mcp_server:${id}` }));
  };
  return Promise.all(args.map(resolve));
}

type Recorded = { connectionId: string; transport: McpTransport };
export function recorder({ frames: sink }: ConnectDeps, server: ServerRecord, { connectionId, transport }: Recorded): FrameRecorder {
  const { id, tenantId, name } = server;
  return frameRecorder({ sink, tenantId, remote: `mcp:${name}`, connectionId, server: { id, transport } });
}

/** What the platform does when this server asks or tells it something. */
export function answeringFor(
  { logs, sample }: ConnectDeps,
  server: ServerRecord,
  { options, processId }: { options: ConnectOptions; processId?: string },
): Answering {
  const settings = options.settings ?? ((): ServerSettings => settingsInForce(server));
  return {
    settings,
    own: ownAddress(server.launch),
    sample: (request) => sample(server, { ...request, settings: settings() }),
    log: (level, text) => logs.add(server, "message", { level, text, processId }),
    drop: (lines) => logs.drop(server, lines),
    note: (text) => logs.add(server, "event", { text, processId }),
  };
}

/** The end of a conversation: `lose` counts once, and only until the end was asked for. */
export function ending(): { ask: () => void; lose: (error: AppError) => void; seen: Pick<Connection, "lost" | "lossReason"> } {
  const { promise, resolve } = Promise.withResolvers<AppError>();
  let isAsked = false;
  let reason: AppError | undefined;
  const lose = (error: AppError): void => {
    if (isAsked) return;
    reason ??= error;
    resolve(reason);
  };
  return { ask: () => void (isAsked = true), lose, seen: { lost: promise, lossReason: () => reason } };
}

/** Runs a task at most once; everybody gets its result. */
export function once<T>(task: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => (running ??= task());
}

/** Sees which protocol version the server chooses, so that a failure can name it; records frames as before. */
export function watchVersion(frames: FrameRecorder): { frames: FrameRecorder; version: () => string | undefined } {
  let version: string | undefined;
  const received: FrameRecorder["received"] = (message, text) => {
    const chosen = version === undefined && "result" in message ? message.result["protocolVersion"] : undefined;
    if (typeof chosen === "string") version = chosen;
    frames.received(message, text);
  };
  return { version: () => version, frames: { ...frames, received } };
}
