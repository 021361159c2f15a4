import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "#sdk/client.ts";
import { installPeers } from "../engine/peers.ts";
import { print, type Target } from "../support/report.ts";
import { throwAwayPostgres, type ThrowAwayPostgres } from "../support/throw-away-postgres.ts";
import { fillCatalogue, measureCatalogue } from "./catalogue.ts";
import { directStdio, manager } from "./manager.ts";
import { inTurns, latencies, median, perSecond, type Call } from "./measure.ts";
import { leanCallers, sdkCaller, type Endpoint } from "./over-http.ts";
import { EVERYTHING, TOKEN, everythingOverHttp, mcpProxy, platform, type Served } from "./processes.ts";

const ROUNDS = 7;
/** Of a tenth of a second at most, so that many cost little, and one in which something else runs says little. */
const ROUNDS_OVER_PIPES = 15;
/** How fast two processes are that talk to each other depends on where the machine has put them, for as long as they live. */
const PAIRS_OVER_PIPES = 5;
const CALLS = 200;
const AT_ONCE = 2_000;
const CALLERS = 50;
const CALLS_AT_ONCE = 6_000;
/** More of these than of the others: four processes share the machine, and each round has its own luck. */
const ROUNDS_AT_ONCE = 11;

/** Calls of `echo` of `server-everything`: directly and through ours, over pipes and over HTTP, all in one run. */
export async function mcp(): Promise<void> {
  await installPeers("mcp-proxy");
  const postgres = await throwAwayPostgres();
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-bench-"));
  await chmod(dataDir, 0o711);
  try {
    await overPipes(postgres, dataDir);
    await overHttp(await postgres.createDatabase("gateway"), dataDir);
  } finally {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

type Row = readonly [system: string, metric: string, value: number, unit: string, target?: Target];
const figure = (...[system, metric, value, unit, target]: Row): void => print({ bench: "mcp", system, metric, value, unit, target });

type OverPipes = Record<"direct-stdio" | "manager", { ms: number; perSecond: number }>;

/** Of each figure and of each ratio the median of all pairs. */
async function overPipes(postgres: ThrowAwayPostgres, dataDir: string): Promise<void> {
  const pairs: OverPipes[] = [];
  for (let pair = 0; pair < PAIRS_OVER_PIPES; pair += 1)
    pairs.push(await pairOverPipes(await postgres.createDatabase(`manager_${pair}`), dataDir));
  const middle = (of: (pair: OverPipes) => number): number => median(pairs.map(of));
  for (const system of ["direct-stdio", "manager"] as const) {
    figure(
      system,
      "call_ms",
      middle((pair) => pair[system].ms),
      "ms",
    );
    figure(
      system,
      "calls_per_second",
      middle((pair) => pair[system].perSecond),
      "calls/s",
    );
  }
  const ofDirect = (of: "ms" | "perSecond"): number => middle((pair) => pair.manager[of] / pair["direct-stdio"][of]);
  figure("manager", "latency_of_direct", ofDirect("ms"), "ratio", { atMost: 1.15 });
  figure("manager", "throughput_of_direct", ofDirect("perSecond"), "ratio", { atLeast: 0.8 });
}

async function pairOverPipes(databaseUrl: string, dataDir: string): Promise<OverPipes> {
  const [direct, ours] = [await directStdio(), await manager(databaseUrl, dataDir)];
  try {
    const systems = { "direct-stdio": direct.call, manager: ours.call };
    const ms = await latencies(systems, { rounds: ROUNDS_OVER_PIPES, count: CALLS });
    const rate = await inTurns(systems, ROUNDS_OVER_PIPES, (call: Call) => perSecond(Array<Call>(AT_ONCE).fill(call), AT_ONCE));
    return {
      "direct-stdio": { ms: ms["direct-stdio"], perSecond: rate["direct-stdio"] },
      manager: { ms: ms.manager, perSecond: rate.manager },
    };
  } finally {
    await Promise.allSettled([direct.close(), ours.close()]);
  }
}

async function overHttp(databaseUrl: string, dataDir: string): Promise<void> {
  const started: Served[] = [];
  const start = async (starting: Promise<Served>): Promise<Served> => {
    const served = await starting;
    started.push(served);
    return served;
  };
  try {
    const direct = await start(everythingOverHttp());
    const proxy = await start(mcpProxy());
    const own = await start(platform({ databaseUrl, dataDir }));
    const launch = { transport: "stdio" as const, command: process.execPath, args: [EVERYTHING, "stdio"] };
    await createClient({ url: own.url, token: TOKEN }).createMcpServer({ body: { name: "everything", launch } });
    await compare({
      "direct-http": { url: `${direct.url}/mcp`, tool: "echo" },
      gateway: { url: `${own.url}/mcp`, tool: "everything__echo", token: TOKEN },
      "mcp-proxy": { url: `${proxy.url}/mcp`, tool: "echo" },
    });
    await fillCatalogue(own.url);
    const { listMs, searchMs } = await measureCatalogue(own.url, 15);
    figure("catalogue", "list_5000_ms", listMs, "ms", { atMost: 50 });
    figure("catalogue", "search_5000_ms", searchMs, "ms", { atMost: 50 });
  } finally {
    await Promise.allSettled(started.map((served) => served.stop()));
  }
}

const SYSTEMS = ["direct-http", "gateway", "mcp-proxy"] as const;
type System = (typeof SYSTEMS)[number];

async function compare(endpoints: Record<System, Endpoint>): Promise<void> {
  const each = async <T>(open: (endpoint: Endpoint) => Promise<T>): Promise<Record<System, T>> => ({
    "direct-http": await open(endpoints["direct-http"]),
    gateway: await open(endpoints.gateway),
    "mcp-proxy": await open(endpoints["mcp-proxy"]),
  });
  const single = await each(sdkCaller);
  const ms = await latencies(
    { "direct-http": single["direct-http"].call, gateway: single.gateway.call, "mcp-proxy": single["mcp-proxy"].call },
    { rounds: ROUNDS, count: CALLS },
  );
  const many = await each((endpoint) => leanCallers(endpoint, CALLERS));
  const rate = await inTurns(many, ROUNDS_AT_ONCE, ({ calls }) => perSecond(calls, CALLS_AT_ONCE));
  for (const system of SYSTEMS) {
    figure(system, "call_ms", ms[system], "ms");
    figure(system, "calls_per_second", rate[system], "calls/s");
    await single[system].close();
    await many[system].close();
  }
  figure("gateway", "latency_of_direct", ms.gateway / ms["direct-http"], "ratio", { atMost: 1 });
  figure("gateway", "throughput_of_direct", rate.gateway / rate["direct-http"], "ratio");
  figure("gateway", "times_mcp_proxy", rate.gateway / rate["mcp-proxy"], "ratio", { atLeast: 2 });
}
