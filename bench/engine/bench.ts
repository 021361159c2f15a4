import { print } from "../support/report.ts";
import { throwAwayPostgres, type ThrowAwayPostgres } from "../support/throw-away-postgres.ts";
import { measure } from "./auterity.ts";
import { measureCalls } from "./calls.ts";
import { measureStarts } from "./http-starts.ts";
import { measureLimit } from "./journal-limit.ts";
import { installPeers, measurePeer, PEERS } from "./peers.ts";
import type { Classification, Expression } from "./workflows.ts";

const STEPS = 10;
const LOADS = [50, 200] as const;

type Best = { stepsPerSecond: number; msPerStep: number };

/**
 * Durable workflows of ten steps that do nothing, on one PostgreSQL with fsync on, one system after another, each with 50 and
 * with 200 workflows under way; the better of both counts. Every system has a database of its own.
 */
export async function engine(): Promise<void> {
  await installPeers();
  const postgres = await throwAwayPostgres();
  try {
    const plain = await best((runs) => ours(postgres, { runs, expression: "plain", classification: "normal" }));
    figure("auterity", "steps_per_second", plain.stepsPerSecond, "steps/s");
    figure("auterity", "added_ms_per_step", plain.msPerStep, "ms");
    const limit = await best(async (runs) => ({ stepsPerSecond: await limitOf(postgres, runs), msPerStep: 0 }));
    figure("journal-limit", "steps_per_second", limit.stepsPerSecond, "steps/s");
    figure("auterity", "share_of_journal_limit", plain.stepsPerSecond / limit.stepsPerSecond, "ratio");
    const full = await best((runs) => ours(postgres, { runs, expression: "jsonata", classification: "confidential" }));
    figure("auterity", "steps_per_second_full", full.stepsPerSecond, "steps/s");
    figure("auterity", "starts_per_second", await measureStarts(await postgres.createDatabase("starts")), "runs/s");
    await measureCallsOf(postgres);
    for (const peer of PEERS) await comparePeer(postgres, peer, plain);
  } finally {
    await postgres.stop();
  }
}

async function measureCallsOf(postgres: ThrowAwayPostgres): Promise<void> {
  const { msPerOnceStep, parallelRatio, chainRatio } = await measureCalls(await postgres.createDatabase("calls"));
  figure("auterity", "added_ms_per_once_step", msPerOnceStep, "ms");
  figure("auterity", "parallel_ratio", parallelRatio, "ratio");
  figure("auterity", "chain_ratio", chainRatio, "ratio");
}

async function comparePeer(postgres: ThrowAwayPostgres, peer: (typeof PEERS)[number], plain: Best): Promise<void> {
  const theirs = await best(async (runs) => measurePeer(peer, await postgres.createDatabase(`${peer}_${runs}`), { runs, steps: STEPS }));
  figure(peer, "steps_per_second", theirs.stepsPerSecond, "steps/s");
  figure(peer, "added_ms_per_step", theirs.msPerStep, "ms");
  figure("auterity", `times_${peer}`, plain.stepsPerSecond / theirs.stepsPerSecond, "ratio");
}

type Row = readonly [system: string, metric: string, value: number, unit: string];
const figure = (...[system, metric, value, unit]: Row): void => print({ bench: "engine", system, metric, value, unit });

type Ours = { runs: number; expression: Expression; classification: Classification };
async function ours(postgres: ThrowAwayPostgres, options: Ours): Promise<Best> {
  const url = await postgres.createDatabase(`auterity_${options.expression}_${options.runs}`);
  return measure({ url, steps: STEPS, ...options });
}

const limitOf = async (postgres: ThrowAwayPostgres, runs: number): Promise<number> =>
  measureLimit({ url: await postgres.createDatabase(`limit_${runs}`), runs, steps: STEPS });

/** Each load once; the most steps per second and the least time per step. */
async function best(of: (runs: number) => Promise<Best>): Promise<Best> {
  const results: Best[] = [];
  for (const runs of LOADS) results.push(await of(runs));
  const [first, ...rest] = results;
  if (!first) throw new Error("no load was measured");
  return rest.reduce(
    (a, b) => ({ ...(b.stepsPerSecond > a.stepsPerSecond ? b : a), msPerStep: Math.min(a.msPerStep, b.msPerStep) }),
    first,
  );
}
