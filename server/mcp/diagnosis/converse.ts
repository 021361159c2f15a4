import { METHOD_NOT_FOUND, ProtocolError } from "@modelcontextprotocol/client";
import type { Redactor } from "#server/kernel/ports.ts";
import { MOST_TOOLS, readTool, type ListedTool } from "../catalogue/tool-definition.ts";
import type { Connected } from "../connection/connect.ts";
import { callFailure } from "../connection/failures.ts";
import type { Timings } from "../supervision/timings.ts";
import { sampleCall, type MayCall, type SampleCallOptions } from "./sample-call.ts";
import type { MakeSample } from "./samples.ts";
import type { StageClock } from "./stage-clock.ts";

export type ConverseDeps = { makeSample: MakeSample; timings: Timings; redactor: Redactor };
type Asked = { mayCall: MayCall; options: SampleCallOptions };

/** A test that has got as far as a connection. */
export type Going = { clock: StageClock; signal: AbortSignal; found: { connection?: Connected; tools: ListedTool[] } };

/** Everything that follows the handshake. Rejects with the failure's class; the clock knows the stage. */
export async function converse(deps: ConverseDeps, { mayCall, options }: Asked, { clock, signal, found }: Going): Promise<void> {
  const { connection } = found;
  if (connection === undefined) return;
  const asking = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (thrown) {
      throw callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
    }
  };
  clock.enter("list");
  const listed = await asking(() => connection.listTools(signal));
  const read = listed.slice(0, MOST_TOOLS).map((raw) => readTool(raw, connection.instructions));
  found.tools = read.flatMap((tool) => ("refused" in tool ? [] : [tool]));
  const unusable = read.flatMap((tool) => ("refused" in tool ? [tool.refused] : []));
  clock.ok(`${found.tools.length} tools${unusable.length === 0 ? "" : `; left out ${unusable.slice(0, 3).join(", ")}`}`);
  clock.enter("ping");
  clock.ok(await asking(() => ping(connection, { timeoutMs: deps.timings.listMs, signal })));
  clock.enter("sample_call");
  const { makeSample, redactor } = deps;
  const timeoutMs = deps.timings.listMs;
  const outcome = await sampleCall({ makeSample, mayCall, redactor, timeoutMs }, { connection, tools: found.tools, signal }, options);
  if (outcome.status === "skipped") clock.skip("sample_call", outcome.detail);
  else clock.ok(outcome.detail);
}

/** The 2026 era has no ping; and whoever says that it does not know one has answered. */
async function ping(connection: Connected, options: { timeoutMs: number; signal: AbortSignal }): Promise<string> {
  try {
    await connection.ping(options);
    return `answered ${connection.era === "modern" ? "server/discover" : "ping"}`;
  } catch (thrown) {
    if (thrown instanceof ProtocolError && thrown.code === METHOD_NOT_FOUND) return "answered, but does not know ping";
    throw thrown;
  }
}
