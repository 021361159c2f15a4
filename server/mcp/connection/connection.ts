import {
  Client,
  withInputRequired,
  type CallToolResult,
  type Implementation,
  type Progress,
  type ServerCapabilities,
  type Transport,
} from "@modelcontextprotocol/client";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import { z } from "zod";
import type { AppError } from "#server/kernel/errors.ts";
import type { StepRef } from "#server/kernel/ports.ts";
import { inStep } from "./frames.ts";
import type { Timings } from "../supervision/timings.ts";
import { compileSchema } from "./validators.ts";

export type ToolCall = {
  name: string;
  arguments: Record<string, unknown>;
  /** Protocol metadata of the call. */
  meta?: Record<string, unknown>;
  timeoutMs: number;
  signal?: AbortSignal;
  step?: StepRef;
  /** Asks the server for news of the call; called with what it tells. */
  onProgress?: (progress: Progress) => void;
};

/** A request of the protocol beside tool calls. */
export type ServerRequest = Pick<ToolCall, "timeoutMs" | "signal" | "onProgress"> & {
  method: string;
  params?: Record<string, unknown>;
};

/** An open conversation with a server, whatever carries it. */
export type Connection = {
  readonly transport: "stdio" | "http";
  readonly pid: number | null;
  readonly protocolVersion: string | null;
  readonly serverVersion: string | null;
  readonly serverInfo: Implementation | undefined;
  readonly capabilities: ServerCapabilities;
  readonly instructions: string | undefined;
  /** All pages. Also how the connection is checked. */
  listTools(signal: AbortSignal): Promise<unknown[]>;
  /** Rejects with the SDK's errors; `callFailure` gives them their class. */
  callTool(call: ToolCall): Promise<CallToolResult>;
  /** The answer as the server sent it, `input_required` of the 2026 era included. Rejects like `callTool`. */
  request(request: ServerRequest): Promise<Record<string, unknown>>;
  /** Resolves when the conversation ends without having been asked to; never rejects. */
  readonly lost: Promise<AppError>;
  /** What `lost` has resolved with, if it has. */
  lossReason(): AppError | undefined;
  /** Ends the conversation and the whole process tree. Resolves with how many processes could not be ended. A second call joins the first. */
  close(): Promise<number>;
};

type ClientOptions = { version: string; timings: Timings; era: "auto" | "legacy"; onToolsChanged: () => void };

/** More pages than this are a server that never comes to an end. */
const MOST_PAGES = 64;

/** An SDK client that asks for nothing in return: no sampling, no roots, no elicitation. */
export function newClient({ version, timings, era, onToolsChanged }: ClientOptions): Client {
  return new Client(
    { name: "auterity", version },
    {
      versionNegotiation: era === "legacy" ? { mode: "legacy" } : { mode: "auto", probe: { timeoutMs: timings.probeMs } },
      listMaxPages: MOST_PAGES,
      inputRequired: { autoFulfill: false },
      // Our own engine: its patterns run in linear time, and schemas of different servers do not meet.
      jsonSchemaValidator: new AjvJsonSchemaValidator({
        compile: (schema) => compileSchema(typeof schema === "object" && schema !== null ? schema : {}, false),
        getSchema: () => undefined,
        errorsText: (errors: unknown) => (Array.isArray(errors) ? errors.map(schemaErrorText).join("; ") : ""),
      }),
      listChanged: { tools: { autoRefresh: false, debounceMs: timings.listChangedDebounceMs, onChanged: onToolsChanged } },
    },
  );
}

/** Whoever forwards an answer does not judge it. */
const AnyResult = withInputRequired(z.looseObject({}));

const schemaErrorText = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);

/** Handshake, with everything that may end it: the caller's signal closes the transport, which the SDK's probe obeys. */
export async function handshake(client: Client, transport: Transport, options: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
  const { timeoutMs, signal } = options;
  const onAbort = (): void => void transport.close();
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await client.connect(transport, { timeout: timeoutMs, signal });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The parts of a connection that do not depend on what carries it. */
export function speak(
  client: Client,
  timings: Timings,
): Pick<
  Connection,
  "protocolVersion" | "serverVersion" | "serverInfo" | "capabilities" | "instructions" | "listTools" | "callTool" | "request"
> {
  return {
    protocolVersion: client.getNegotiatedProtocolVersion() ?? null,
    serverVersion: client.getServerVersion()?.version ?? null,
    serverInfo: client.getServerVersion(),
    capabilities: client.getServerCapabilities() ?? {},
    instructions: client.getInstructions(),
    listTools: async (signal) => {
      const options = { signal, timeout: timings.listMs, maxTotalTimeout: timings.listMs };
      if (client.getServerCapabilities()?.tools) return (await client.listTools(undefined, { ...options, cacheMode: "refresh" })).tools;
      if (client.getProtocolEra() !== "modern") await client.ping(options);
      return [];
    },
    callTool: ({ name, arguments: args, meta, timeoutMs, signal, step, onProgress }) =>
      inStep(step, () =>
        client.callTool(
          { name, arguments: args, _meta: meta },
          { timeout: timeoutMs, maxTotalTimeout: timeoutMs, signal, ...(onProgress && { onprogress: onProgress }) },
        ),
      ),
    request: ({ method, params, timeoutMs, signal, onProgress }) => {
      const options = { timeout: timeoutMs, maxTotalTimeout: timeoutMs, signal, allowInputRequired: true };
      return client.request({ method, params }, AnyResult, { ...options, ...(onProgress && { onprogress: onProgress }) });
    },
  };
}
