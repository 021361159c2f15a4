/** Runs the official conformance suites as users do, from their command lines, and reads what they have written. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { COMPILE_CACHE, ROOT } from "../source-files.ts";

const run = promisify(execFile);

/** The released suite, and the newest one before its release, which knows the revision 2026-07-28. */
export const SUITES = {
  "0.1.16": "@modelcontextprotocol/conformance",
  "0.2.0-alpha.12": "mcp-conformance-next",
} as const;
export type SuiteVersion = keyof typeof SUITES;

const Checks = z.array(z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }));
/** What became of one check; the worst of all times that it was made. */
export type Outcome = { status: string; message: string };
/** By scenario, then by check. */
export type Outcomes = Record<string, Record<string, Outcome>>;

const SEVERITY = ["INFO", "SKIPPED", "SUCCESS", "WARNING", "FAILURE"];

type SuiteRun = { suite: SuiteVersion; side: "server" | "client"; args: readonly string[] };

export async function runSuite({ suite, side, args }: SuiteRun): Promise<Outcomes> {
  const dir = await mkdtemp(join(tmpdir(), "auterity-conformance-"));
  const script = join(ROOT, "node_modules", SUITES[suite], "dist", "index.js");
  try {
    // A failed check makes it exit with 1; what counts is what it has written.
    await run(process.execPath, [script, side, ...args, "-o", dir], {
      cwd: dir,
      env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: COMPILE_CACHE },
    }).catch(() => {});
    const folders = await readdir(dir);
    const outcomes = await Promise.all(folders.map(async (folder) => [scenarioOf(folder), await readChecks(join(dir, folder))] as const));
    return Object.fromEntries(outcomes.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const scenarioOf = (folder: string): string => folder.replace(/^(?:server|client)-(?=.*-\d{4}-)/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");

async function readChecks(folder: string): Promise<Record<string, Outcome>> {
  const checks = Checks.parse(JSON.parse(await readFile(join(folder, "checks.json"), "utf8")));
  const outcomes: Record<string, Outcome> = {};
  for (const { id, status, errorMessage: message = "" } of checks) {
    const before = outcomes[id];
    if (before === undefined || SEVERITY.indexOf(status) > SEVERITY.indexOf(before.status)) outcomes[id] = { status, message };
  }
  return outcomes;
}

/** The suites bring no credentials: this adds a token to every request and changes nothing else. */
export async function withToken(target: string, token: string): Promise<{ url: string; close(): Promise<void> }> {
  const { port, hostname } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    const forwarded = request({ host: hostname, port, method: incoming.method, path: incoming.url, headers, setHost: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${own}`, close };
}
