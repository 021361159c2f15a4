import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { fileHasher } from "./executable.ts";
import { UNPINNED, launchHash } from "./launch.ts";
import { scriptArgument, scriptHash, scriptWarnings } from "./script.ts";

test.each<[string, string[], string | undefined]>([
  ["node", ["server.js", "--port", "1"], "server.js"],
  ["/usr/bin/node", ["--enable-source-maps", "-r", "./x.js", "--import=y.js", "/srv/server.mjs", "z.js"], "/srv/server.mjs"],
  ["node.exe", ["--", "-odd.js"], "-odd.js"],
  ["node", ["-e", "1", "x.js"], undefined],
  ["node", ["--eval=1", "x.js"], undefined],
  ["node", ["-"], undefined],
  ["node", [], undefined],
  ["tsx", ["server.ts"], "server.ts"],
  ["python3.13", ["-u", "-X", "utf8", "server.py", "-m"], "server.py"],
  ["python", ["-m", "mcp_server_git"], undefined],
  ["python3", ["-Im", "mcp_server_git"], undefined],
  ["python3", ["-c", "1"], undefined],
  ["deno", ["run", "-A", "--config", "deno.json", "main.ts"], "main.ts"],
  ["deno", ["run", "https://evil.example/x.ts"], undefined],
  ["deno", ["run", "npm:server"], undefined],
  ["deno", ["run", "file:///srv/main.ts"], "file:///srv/main.ts"],
  ["bun", ["run", "index.ts"], "index.ts"],
  ["bun", ["index.ts"], "index.ts"],
  ["bun", ["x", "server"], undefined],
  ["sh", ["-eu", "start.sh"], "start.sh"],
  ["bash", ["-o", "pipefail", "start.sh"], "start.sh"],
  ["bash", ["-ec", "touch x"], undefined],
  ["ruby", ["-I", "lib", "server.rb"], "server.rb"],
  ["php", ["-d", "memory_limit=1G", "server.php"], "server.php"],
  ["php", ["-f", "server.php"], "server.php"],
  ["npx", ["-y", "server"], undefined],
  ["/srv/server", ["server.js"], undefined],
])("%s %j runs %s", (command, args, script) => expect(scriptArgument({ command, args })).toBe(script));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "auterity-script-"));
});
afterAll(() => rm(folder, { recursive: true }));
const launch = (script: string) => ({ transport: "stdio" as const, command: "node", args: [script], env: {} });
const hashed = (script: string) => scriptHash(launch(script), { cwd: folder, hashFile: fileHasher() });

test("a script is pinned by its bytes, wherever its name leads, up to the limit", async () => {
  await writeFile(join(folder, "a.js"), "one");
  await symlink("a.js", join(folder, "link.js"));
  const one = await hashed("a.js");
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect([await hashed(join(folder, "a.js")), await hashed("./link.js")]).toEqual([one, one]);
  await writeFile(join(folder, "a.js"), "two");
  expect(await hashed("link.js")).not.toBe(one);

  await writeFile(join(folder, "large.js"), "");
  await truncate(join(folder, "large.js"), LIMITS.mcpScriptBytes);
  expect(await hashed("large.js")).toMatch(/^[0-9a-f]{64}$/);
  await truncate(join(folder, "large.js"), LIMITS.mcpScriptBytes + 1);
  expect([await hashed("large.js"), await hashed("missing.js"), await hashed("."), await hashed("-e")]).toEqual([
    UNPINNED,
    UNPINNED,
    UNPINNED,
    undefined,
  ]);
});

test("who approves is warned of a script that is not pinned", () => {
  const warned = (hash: string, script = "a.js") => scriptWarnings(launch(script), hash).map(({ code }) => code);
  expect(warned(launchHash(launch("a.js"), "sum", "a".repeat(64)))).toEqual([]);
  expect(warned(launchHash(launch("a.js"), "sum", UNPINNED))).toEqual(["script_unpinned"]);
  expect(warned(launchHash(launch("a.js"), "sum"))).toEqual(["script_unpinned"]);
  expect(warned(launchHash(launch("-e"), "sum"), "-e")).toEqual([]);
});
