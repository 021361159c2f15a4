#!/usr/bin/env node
// The `auterity` command of a clone: installs what is missing, then runs the CLI on the project's own Node.
import { join } from "node:path";
import { NODE_FLAGS, ROOT, install, projectNode, run } from "./install.mjs";

await install();
process.exitCode = await run(projectNode(), [...NODE_FLAGS, join(ROOT, "cli", "main.ts"), ...process.argv.slice(2)], {
  cwd: process.cwd(),
});
