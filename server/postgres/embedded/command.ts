import { spawn, type ChildProcess } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import type { Log } from "../../kernel/log.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";

const MIB = 1024 * 1024;
/** Nothing of our own environment reaches PostgreSQL: libpq variables and secrets would change or leak. */
const ENVIRONMENT = { LC_ALL: process.platform === "linux" ? "C.UTF-8" : "C", TZ: "UTC" };

export const SUPERUSER = "auterity_admin";

/** Settings for one machine that also runs the platform. `durable: false` is for throw-away test clusters only. */
export function serverSettings(port: number, durable: boolean): Record<string, string> {
  const memoryMib = totalmem() / MIB;
  const sharedMib = Math.round(Math.min(512, Math.max(64, memoryMib / 16)));
  return {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: `${sharedMib}MB`,
    effective_cache_size: `${Math.round(memoryMib / 4)}MB`,
    huge_pages: "off",
    io_method: "sync",
    jit: "off",
    random_page_cost: "1.1",
    max_parallel_workers: String(Math.min(8, availableParallelism())),
    wal_level: "minimal",
    max_wal_senders: "0",
    wal_buffers: "16MB",
    min_wal_size: "128MB",
    max_wal_size: "1GB",
    checkpoint_timeout: "15min",
    password_encryption: "scram-sha-256",
    // Values of statements never reach the log: they may be secrets.
    log_error_verbosity: "terse",
    log_min_error_statement: "panic",
    log_parameter_max_length: "0",
    log_parameter_max_length_on_error: "0",
    log_checkpoints: "off",
    log_line_prefix: "",
    log_timezone: "UTC",
    timezone: "UTC",
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  };
}

type Spawn = { binaries: Binaries; account: Account; cluster: string };

/** `postgres` in its own process group, so that a Ctrl-C meant for the platform does not stop it first. */
export function spawnServer({ binaries, account, cluster }: Spawn, settings: Record<string, string>): ChildProcess {
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return spawn(`${binaries.root}/bin/postgres`, ["-D", cluster, ...options], {
    cwd: "/",
    env: ENVIRONMENT,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    ...account,
  });
}

/** `initdb` into `cluster`. The cluster's superuser authenticates like everybody else, by SCRAM. */
export function spawnInitdb({ binaries, account, cluster }: Spawn, passwordFile: string, durable: boolean): ChildProcess {
  const options = ["--auth=scram-sha-256", `--pwfile=${passwordFile}`, `--username=${SUPERUSER}`, "--data-checksums"];
  const locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"];
  return spawn(`${binaries.root}/bin/initdb`, ["-D", cluster, ...options, ...locale, ...(durable ? [] : ["--no-sync"])], {
    cwd: "/",
    env: ENVIRONMENT,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    ...account,
  });
}

/** Hands the server's own lines to our log, and keeps the last ones for an error message. */
export function followLog(child: ChildProcess, log: Log): { tail(): string } {
  const last: string[] = [];
  let rest = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((line) => line.trim() !== "")) {
      last.push(line);
      if (last.length > 20) last.shift();
      report(log, line);
    }
  });
  return { tail: () => last.join("\n") };
}

function report(log: Log, line: string): void {
  const [, severity, text] = /^(\w+):\s+(.*)$/.exec(line) ?? [undefined, "LOG", line];
  if (severity === "PANIC" || severity === "FATAL") log.warn(`postgres: ${text}`, { severity });
  else log.debug(`postgres: ${text}`, { severity });
}
