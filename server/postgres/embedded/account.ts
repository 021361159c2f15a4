import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { AppError } from "../../kernel/errors.ts";

/** Who PostgreSQL runs as. Undefined: as ourselves, because we are not root. */
export type Account = { uid: number; gid: number } | undefined;

/** PostgreSQL refuses to run as root; these exist on practically every system. Nothing is ever created. */
const UNPRIVILEGED = ["postgres", "daemon", "nobody"] as const;

/** The account for a cluster: the owner of an existing one, so that a new system user does not lock it out. */
export async function accountFor(clusterDir: string): Promise<Account> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = await readAccounts();
  const owner = await stat(clusterDir).catch(() => undefined);
  const known = accounts.find(({ uid }) => uid === owner?.uid && uid !== 0);
  const chosen = known ?? UNPRIVILEGED.map((name) => accounts.find((account) => account.name === name)).find(Boolean);
  if (chosen === undefined) {
    throw new AppError(
      "config_invalid",
      "PostgreSQL does not run as root, and this system has none of the users postgres, daemon, nobody.",
      {
        remedy: "Start the platform as a normal user, or set DATABASE_URL.",
      },
    );
  }
  return { uid: chosen.uid, gid: chosen.gid };
}

async function readAccounts(): Promise<{ name: string; uid: number; gid: number }[]> {
  const text = await readFile("/etc/passwd", "utf8");
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/**
 * Whether `account` may enter every folder above `path`, and read and enter or execute `path` itself, by the modes alone.
 * A path that does not exist yet counts from its nearest existing parent.
 */
export async function canReach(account: Account, path: string): Promise<boolean> {
  if (account === undefined) return true;
  const absolute = await realpath(path).catch(() => resolve(path));
  const found = await stat(absolute).catch(() => undefined);
  if (found && !allows(account, found, 0o5)) return false;
  for (let folder = dirname(absolute); ; folder = dirname(folder)) {
    const parent = await stat(folder).catch(() => undefined);
    if (parent && !allows(account, parent, 0o1)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function allows(account: { uid: number; gid: number }, file: { uid: number; gid: number; mode: number }, bits: number): boolean {
  const shift = file.uid === account.uid ? 6 : file.gid === account.gid ? 3 : 0;
  return ((file.mode >> shift) & bits) === bits;
}
