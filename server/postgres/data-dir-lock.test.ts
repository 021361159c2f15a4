import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockDataDir } from "./data-dir-lock.ts";

describe("the lock of a data dir", () => {
  let base: string;
  let dataDir: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "auterity-lock-"));
    dataDir = join(base, "new", "data");
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  test("is held by one at a time, and free again after release", async () => {
    const lock = await lockDataDir(dataDir);
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({ code: "data_dir_in_use" });
    await lock.release();
    await lock.release();
    const again = await lockDataDir(dataDir);
    await again.release();
    expect(await readdir(dataDir)).toEqual([]);
  });

  test("goes to exactly one of many starters, also when a stale one lies there", async () => {
    await (await lockDataDir(dataDir)).release();
    await writeFile(join(dataDir, "instance.lock"), JSON.stringify({ pid: process.pid, started: "earlier" }));
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dataDir)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await readdir(dataDir)).toEqual(["instance.lock"]);
  });

  test("is refused while another process holds it, and taken over after its kill -9", async () => {
    const program = `
      const { lockDataDir } = await import(${JSON.stringify(join(import.meta.dirname, "data-dir-lock.ts"))});
      await lockDataDir(${JSON.stringify(dataDir)});
      process.stdout.write("locked");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({
      code: "data_dir_in_use",
      message: expect.stringContaining(String(child.pid)),
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    const lock = await lockDataDir(dataDir);
    expect(JSON.parse(await readFile(join(dataDir, "instance.lock"), "utf8"))).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  test("counts as free when its file was damaged", async () => {
    await (await lockDataDir(dataDir)).release();
    await writeFile(join(dataDir, "instance.lock"), "{");
    const lock = await lockDataDir(dataDir);
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({ code: "data_dir_in_use" });
    await lock.release();
  });
});
