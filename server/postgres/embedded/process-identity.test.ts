import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { realpath } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { identify, isAlive, processesWorkingIn, signalProcess, waitUntil } from "./process-identity.ts";

describe("the identity of a process", () => {
  test("stays the same while it lives", async () => {
    const first = await identify(process.pid);
    expect(first).toEqual({ pid: process.pid, started: expect.stringMatching(/.+/) });
    expect(await identify(process.pid)).toEqual(first);
    expect(first && (await isAlive(first))).toBe(true);
  });

  test("is not that of another process with the same pid", async () => {
    expect(await isAlive({ pid: process.pid, started: "another time" })).toBe(false);
  });

  test("ends with it, and its folder is empty", async () => {
    const folder = await realpath(tmpdir());
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { cwd: folder, stdio: "ignore" });
    const pid = child.pid ?? 0;
    const identity = await identify(pid);
    expect(await waitUntil(async () => (await processesWorkingIn(folder)).includes(pid), 5_000)).toBe(true);
    expect(signalProcess(pid, "SIGKILL")).toBe(true);
    await once(child, "exit");
    expect(identity && (await isAlive(identity))).toBe(false);
    expect(await processesWorkingIn(folder)).not.toContain(pid);
    expect(signalProcess(pid, "SIGKILL")).toBe(false);
  });

  test("waits no longer than it was told", async () => {
    expect(await waitUntil(async () => false, 20)).toBe(false);
  });
});
