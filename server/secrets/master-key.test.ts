import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deriveSecret, loadOrCreateMasterKey } from "./master-key.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "auterity-key-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("the master key", () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7));

  test.each([
    ["hex", key.toString("hex")],
    ["upper-case hex", key.toString("hex").toUpperCase()],
    ["base64", key.toString("base64")],
    ["base64url", key.toString("base64url")],
    ["base64 with a line end", `${key.toString("base64")}\n`],
  ])("is read from %s", async (_form, text) => {
    expect(await loadOrCreateMasterKey(dir, text)).toEqual(key);
    expect(await readdir(dir)).toEqual([]);
  });

  test("comes from a passphrase, equally on every machine", async () => {
    const here = await loadOrCreateMasterKey(dir, "correct horse battery");
    expect(here).toHaveLength(32);
    expect(await loadOrCreateMasterKey(tmpdir(), "correct horse battery")).toEqual(here);
    expect(await loadOrCreateMasterKey(dir, "correct horse batterz")).not.toEqual(here);
  });

  test.each(["", "short", "fifteen letters"])("refuses %j as too weak", async (text) => {
    await expect(loadOrCreateMasterKey(dir, text)).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("does not repeat a refused passphrase in the message", async () => {
    await expect(loadOrCreateMasterKey(dir, "hunter2")).rejects.not.toThrow(/hunter2/);
  });

  test("is made once, readable by its owner alone, and found again", async () => {
    const data = join(dir, "data");
    const made = await loadOrCreateMasterKey(data);
    expect((await stat(join(data, "master.key"))).mode & 0o777).toBe(0o600);
    expect(await readdir(data)).toEqual(["master.key"]);
    expect(await loadOrCreateMasterKey(data)).toEqual(made);
  });

  test("is the same for processes that start at once", async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateMasterKey(dir)));
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
  });

  test("takes back permissions that others were given", async () => {
    const path = join(dir, "master.key");
    await writeFile(path, `${key.toString("hex")}\n`, { mode: 0o644 });
    expect(await loadOrCreateMasterKey(dir)).toEqual(key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("does not replace a damaged file: what it had encrypted would be lost", async () => {
    const path = join(dir, "master.key");
    await writeFile(path, "not a key");
    await expect(loadOrCreateMasterKey(dir)).rejects.toMatchObject({ code: "config_invalid", remedy: expect.stringContaining("backup") });
    expect(await readFile(path, "utf8")).toBe("not a key");
  });

  test("says so when the file cannot be read", async () => {
    await expect(loadOrCreateMasterKey(join(dir, "master.key", "\0"))).rejects.toMatchObject({ code: "config_invalid" });
  });
});

describe("deriveSecret", () => {
  const master = Buffer.alloc(32, 1);

  test("is stable, and different for every purpose and every master key", () => {
    expect(deriveSecret(master, "audit chain")).toEqual(deriveSecret(master, "audit chain"));
    expect(deriveSecret(master, "audit chain")).not.toEqual(deriveSecret(master, "role password"));
    expect(deriveSecret(master, "audit chain")).not.toEqual(deriveSecret(Buffer.alloc(32, 2), "audit chain"));
    expect(deriveSecret(master, "audit chain")).toHaveLength(32);
  });
});
