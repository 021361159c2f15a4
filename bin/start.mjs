// `npm start`: installs what is missing, builds the web app when its sources changed, starts the platform.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { NODE_FLAGS, ROOT, fail, install, projectNode, run } from "./install.mjs";

endWithNpm();
const installMs = await install();
await buildWeb();
const args = [...NODE_FLAGS, join(ROOT, "cli", "main.ts"), "start", `--install-ms=${installMs}`, ...process.argv.slice(2)];
// The channel tells the platform when this process goes away, however it goes.
process.exitCode = await run(projectNode(), args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });

/** npm's shell dies of a signal without passing it on; what it started must not go on alone. */
function endWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGTERM"), 250).unref();
}

async function buildWeb() {
  const stamp = join(ROOT, "web", "dist", ".sources");
  const sources = fingerprint(["web", "contract", "engine", "sdk", "package-lock.json"]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === sources) return;
  console.log("Building the web app (once per change) …");
  const vite = join(ROOT, "node_modules", "vite", "bin", "vite.js");
  const code = await run(projectNode(), [vite, "build", "--config", join("web", "vite.config.ts"), "--logLevel", "error"]);
  if (code !== 0) fail(`The web app could not be built (code ${code}); the message is above.`);
  writeFileSync(stamp, sources);
}

/** Changes when any source file does; reads names, sizes and times only. */
function fingerprint(paths) {
  const hash = createHash("sha256");
  const visit = (path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return void hash.update(`${relative(ROOT, path)}:${stat.size}:${stat.mtimeMs}\n`);
    for (const name of readdirSync(path).sort()) if (name !== "dist" && name !== "node_modules") visit(join(path, name));
  };
  for (const path of paths) visit(join(ROOT, path));
  return hash.digest("hex");
}
