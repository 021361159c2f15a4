import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installedBinaries, reachableBinaries } from "./binaries.ts";

const stranger = { uid: 60_001, gid: 60_001 };

describe("the binaries of the embedded PostgreSQL", () => {
  let base: string;
  let root: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "auterity-binaries-"));
    await chmod(base, 0o711);
    root = join(base, "home", "native");
    await mkdir(join(root, "bin"), { recursive: true });
    await mkdir(join(root, "lib", "pkgconfig"), { recursive: true });
    await mkdir(join(root, "share"));
    await writeFile(join(root, "bin", "postgres"), "program", { mode: 0o755 });
    await writeFile(join(root, "lib", "libpq.so.5.18"), "library", { mode: 0o755 });
    await writeFile(join(root, "lib", "libpq.a"), "not needed");
    await writeFile(join(root, "pg-symlinks.json"), "[]");
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  const linksMissing = () =>
    writeFile(join(root, "pg-symlinks.json"), JSON.stringify([{ source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" }]));

  test("are installed with this repository", async () => {
    const { root: installed, version } = await installedBinaries();
    expect((await stat(join(installed, "bin", "postgres"))).mode & 0o111).not.toBe(0);
    expect(version).toMatch(/^18\./);
  });

  test("are used where they are when the account reaches them", async () => {
    const installed = { root, version: "18.4" };
    expect(await reachableBinaries(installed, stranger, join(base, "shelf"))).toEqual(installed);
    expect(await reachableBinaries(installed, undefined, join(base, "shelf"))).toEqual(installed);
    expect(await readdir(base)).toEqual(["home"]);
  });

  test("are copied once, without what only compilers need, when they lie under a closed home", async () => {
    await chmod(join(base, "home"), 0o700);
    const first = await reachableBinaries({ root, version: "18.4" }, stranger, join(base, "shelf"));
    await writeFile(join(first.root, "marker"), "");
    const second = await reachableBinaries({ root, version: "18.4" }, stranger, join(base, "shelf"));
    expect(second).toEqual(first);
    expect(await readFile(join(first.root, "bin", "postgres"), "utf8")).toBe("program");
    expect(await readdir(join(first.root, "lib"))).toEqual(["libpq.so.5.18"]);
    expect((await readdir(first.root)).sort()).toEqual(["bin", "lib", "marker", "pg-symlinks.json", "share"]);
    expect(await readdir(join(base, "shelf"))).toHaveLength(1);
  });

  test("are copied anew for another version", async () => {
    await chmod(join(base, "home"), 0o700);
    await reachableBinaries({ root, version: "18.4" }, stranger, join(base, "shelf"));
    await reachableBinaries({ root, version: "18.5" }, stranger, join(base, "shelf"));
    expect(await readdir(join(base, "shelf"))).toHaveLength(2);
  });

  test("get the links that the package's install script was not allowed to make", async () => {
    await linksMissing();
    const { root: copied } = await reachableBinaries({ root, version: "18.4" }, undefined, join(base, "shelf"));
    expect(await readlink(join(copied, "lib", "libpq.so.5"))).toBe("libpq.so.5.18");
  });
});
