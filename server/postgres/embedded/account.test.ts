import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accountFor, canReach } from "./account.ts";

/** Somebody who owns nothing here and is in no group of ours. */
const stranger = { uid: 60_001, gid: 60_001 };

describe("whether an account reaches a path", () => {
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "auterity-account-"));
    await chmod(base, 0o711);
    await mkdir(join(base, "home"), { mode: 0o700 });
    await mkdir(join(base, "home", "open"), { mode: 0o755 });
    await mkdir(join(base, "open"), { mode: 0o755 });
    await writeFile(join(base, "open", "program"), "", { mode: 0o755 });
    await writeFile(join(base, "open", "secret"), "", { mode: 0o600 });
    await symlink(join(base, "home", "open"), join(base, "link"));
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  test.each([
    ["open/program", true],
    ["open/secret", false],
    ["open/not/yet/there", true],
    ["home", false],
    ["home/open", false],
    ["home/open/not-yet-there", false],
    ["link", false],
  ])("%s: %s", async (path, reachable) => {
    expect(await canReach(stranger, join(base, path))).toBe(reachable);
  });

  test("counts what its user and its group may", async () => {
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    expect(await canReach({ uid, gid: 60_001 }, join(base, "home", "open"))).toBe(true);
    await chmod(join(base, "home"), 0o710);
    expect(await canReach({ uid: 60_001, gid }, join(base, "home", "open"))).toBe(true);
  });

  test("asks nothing of ourselves", async () => {
    expect(await canReach(undefined, join(base, "home"))).toBe(true);
  });
});

describe("the account for a cluster", () => {
  test("is never root, and nobody else unless we are root", async () => {
    const account = await accountFor("/nowhere");
    expect(account === undefined).toBe(process.getuid?.() !== 0);
    expect(account?.uid).not.toBe(0);
  });
});
