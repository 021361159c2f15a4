// `npm test`: installs everything on a fresh machine, then every check and suite. `--full` runs the nightly depth.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { ROOT, fail, install, projectEnv, projectNode, run } from "./install.mjs";

const RESULTS = join(ROOT, "coverage", "results.json");
const full = process.argv.includes("--full");
await install();
installBrowser();
installRedis();
installSandbox();

const tool = (path, ...args) => [projectNode(), [join(ROOT, "node_modules", ...path.split("/")), ...args]];
const STEPS = [
  ["format", ...tool("oxfmt/bin/oxfmt", "--check", ".")],
  ["lint", ...tool("oxlint/bin/oxlint", "--type-aware", "--deny-warnings")],
  ["types", ...tool("typescript/bin/tsc", "--noEmit")],
  ["types of web", ...tool("typescript/bin/tsc", "--noEmit", "-p", "web")],
  ["dead code", ...tool("knip/bin/knip.js")],
  ["web build", ...tool("vite/bin/vite.js", "build", "--config", "web/vite.config.ts", "--logLevel", "error")],
  ["tests", ...tool("vitest/vitest.mjs", "run", "--coverage", "--reporter=default", "--reporter=json", `--outputFile.json=${RESULTS}`)],
];
// What is taken from Node's compile cache is covered less exactly; the processes that tests start have it.
const env = { ...projectEnv(), NODE_COMPILE_CACHE: "", AUTERITY_TEST_DEPTH: full ? "full" : "merge" };
rmSync(RESULTS, { force: true });
for (const [name, command, args] of STEPS) {
  const started = Date.now();
  const code = await run(command, args, { env });
  if (existsSync(RESULTS)) printCounts();
  if (code !== 0) fail(`${name}: failed with code ${code}.`);
  console.log(`✓ ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

/** How many tests each folder has and how they ended; nothing is ever skipped silently. */
function printCounts() {
  const { testResults, numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(RESULTS, "utf8"));
  const byFolder = new Map();
  for (const { name, assertionResults } of testResults) {
    const folder = relative(ROOT, name).split(sep).slice(0, 2).join("/");
    byFolder.set(folder, (byFolder.get(folder) ?? 0) + assertionResults.length);
  }
  for (const [folder, count] of [...byFolder].sort()) console.log(`${String(count).padStart(6)}  ${folder}`);
  if (numPendingTests > 0) fail(`${numPendingTests} tests were skipped; none may be.`);
  console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
}

/** The browser tests need Chromium. */
function installBrowser() {
  const known = [process.env.CHROMIUM_PATH, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  if (known.some((path) => path && existsSync(path))) return;
  installPackage("chromium", "Install Chromium (Debian: apt-get install chromium) or set CHROMIUM_PATH.");
}

/** What is said over Redis is tested with a real one. */
function installRedis() {
  if (spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0) return;
  installPackage("redis-server", "Install Redis (Debian: apt-get install redis-server), so that redis-server is on the PATH.");
}

/** Sandboxed servers are tested in a real sandbox. */
function installSandbox() {
  if (process.platform !== "linux" || spawnSync("bwrap", ["--version"], { stdio: "ignore" }).status === 0) return;
  installPackage("bubblewrap", "Install bubblewrap (Debian: apt-get install bubblewrap), so that bwrap is on the PATH.");
}

/** Installed by the system's packages where we may, named where we may not. */
function installPackage(name, remedy) {
  const debian = process.platform === "linux" && existsSync("/usr/bin/apt-get");
  if (!debian || process.getuid?.() !== 0) fail(`${name} is missing. ${remedy}`);
  console.log(`Installing ${name} for the tests …`);
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", name],
  ]) {
    const done = spawnSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      // Debian starts a service with its package; the tests start their own.
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    });
    if (done.status !== 0) fail(`apt-get ${args.join(" ")} failed. ${remedy}`);
  }
}
