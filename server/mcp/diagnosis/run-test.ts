import { TEST_STAGES, type ServerTest } from "#contract/mcp/tests.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { Connect, Connected } from "../connection/connect.ts";
import { ConnectionFailure } from "../connection/connection-failure.ts";
import { isJson, isRecord } from "../connection/json-value.ts";
import type { ListedTool } from "../catalogue/tool-definition.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { converse, type ConverseDeps, type Going } from "./converse.ts";
import { explainFailure } from "./explain-failure.ts";
import type { MayCall, SampleCallOptions } from "./sample-call.ts";
import { createStageClock, type StageClock } from "./stage-clock.ts";

export type TestDeps = ConverseDeps;

export type Tested = {
  /** Opens a connection of its own; what it says on stderr is kept apart. */
  connect: Connect;
  stderr: () => string;
  server: ServerRecord;
  /** The gate of every start. Rejects with the failure's class. */
  admit: () => Promise<{ file: string | undefined }>;
  mayCall: MayCall;
  options: SampleCallOptions;
  signal: AbortSignal;
};

export type TestResult = Omit<ServerTest, "id" | "serverId" | "at" | "launchHash" | "findings">;

/** Runs all stages, ends everything that it has started, and tells what came of it. Rejects only when the caller gives up. */
export async function runTest(deps: TestDeps, tested: Tested): Promise<TestResult> {
  const clock = createStageClock(tested.server.launch.transport === "stdio" ? "launch" : "connect");
  const late = AbortSignal.timeout(LIMITS.mcpTestMs);
  const signal = AbortSignal.any([tested.signal, late]);
  const found: { connection?: Connected; tools: ListedTool[] } = { tools: [] };
  let failure: AppError | undefined;
  try {
    found.connection = await connectApart(tested, clock, signal);
    await converse(deps, tested, { clock, signal, found });
  } catch (thrown) {
    if (tested.signal.aborted) throw gaveUp(tested.signal.reason);
    failure = late.aborted ? tooLate(clock) : toAppError(thrown);
    clock.fail(deps.redactor.text(failure.message));
  } finally {
    const survivors = (await found.connection?.close()) ?? 0;
    if (survivors > 0) failure ??= new AppError("internal", `${survivors} processes of the server could not be ended.`);
  }
  for (const stage of notReached(clock)) clock.skip(stage, "not reached");
  const stderr = tested.stderr();
  const explained = failure && explainFailure(failure, deps.redactor, stderr === "" ? {} : { stderr });
  return {
    ms: clock.ms(),
    ok: failure === undefined,
    ...describe(found, deps.redactor),
    stages: deps.redactor.json(clock.rows.map((row) => ({ ...row }))),
    failure: explained ? { ...explained, stage: clock.current } : null,
  };
}

async function connectApart({ connect, server, admit }: Tested, clock: StageClock, signal: AbortSignal): Promise<Connected> {
  const { file } = await admit();
  const onOpen = (): void => {
    if (clock.current === "handshake") return;
    clock.ok(server.launch.transport === "stdio" ? "the process runs" : "the server answers");
    clock.enter("handshake");
  };
  const connection = await connect(server, { signal, file, onOpen, onToolsChanged: () => {} });
  clock.ok(`protocol ${connection.protocolVersion ?? "unknown"}`);
  return connection;
}

const notReached = ({ rows }: StageClock): ServerTest["stages"][number]["stage"][] => {
  const last = Math.max(...rows.map(({ stage }) => TEST_STAGES.indexOf(stage)));
  return TEST_STAGES.filter((stage, at) => at > last && stage !== "connect");
};

/** Who has gone away is told nothing any more; that is nothing unexpected. */
const gaveUp = (reason: unknown): AppError =>
  reason instanceof AppError ? reason : new AppError("unavailable", "Whoever asked for the test has gone away.", { cause: reason });

const tooLate = (clock: StageClock): ConnectionFailure =>
  new ConnectionFailure("mcp_timeout", `The test did not end within ${LIMITS.mcpTestMs} ms; it was at ${clock.current}.`, {
    retryable: true,
  });

const TOOLS_SHOWN = 200;
const TEXT_CHARS = 200;
const CAPABILITIES_CHARS = 16_384;

type Described = Pick<ServerTest, "protocolVersion" | "era" | "serverInfo" | "capabilities" | "tools" | "toolCount">;

/** What the server says of itself, redacted like everything that it says, and cut: a report is kept. */
function describe({ connection, tools }: Going["found"], redactor: Redactor): Described {
  const { name, version } = connection?.serverInfo ?? {};
  const shown = (text: string): string => redactor.text(text).slice(0, TEXT_CHARS);
  return {
    protocolVersion: connection?.protocolVersion ?? null,
    era: connection?.era ?? null,
    serverInfo: name === undefined || version === undefined ? null : { name: shown(name), version: shown(version) },
    capabilities: redactor.json(capabilitiesOf(connection)),
    toolCount: tools.length,
    tools: tools.slice(0, TOOLS_SHOWN).map(({ name: tool, definition: { title, annotations } }) => ({
      name: shown(tool),
      title: title === undefined ? null : shown(title),
      readOnly: annotations?.["readOnlyHint"] === true,
    })),
  };
}

/** Of more than can be kept only the names. */
function capabilitiesOf(connection: Connected | undefined): ServerTest["capabilities"] {
  const all: unknown = connection?.capabilities ?? {};
  if (!isJson(all) || !isRecord(all)) return {};
  if (JSON.stringify(all).length <= CAPABILITIES_CHARS) return all;
  const names = Object.keys(all).slice(0, TOOLS_SHOWN);
  return Object.fromEntries(names.map((name) => [name.slice(0, TEXT_CHARS), {}]));
}
