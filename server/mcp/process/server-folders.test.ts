import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { serverFolders } from "./server-folders.ts";

test("only this user enters a server's folders; where they cannot be made, it is said where and what to do", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-folders-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const { work } = await serverFolders(dataDir, "one");
  expect((await stat(work)).mode & 0o777).toBe(0o700);
  // What a full disk, or one that takes no writes, answers comes the same way.
  await writeFile(join(dataDir, "mcp", "two"), "");
  await expect(serverFolders(dataDir, "two")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(join(dataDir, "mcp", "two")),
    remedy: expect.stringContaining("data dir"),
  });
});
