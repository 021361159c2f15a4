import { hkdfSync, randomBytes, scryptSync } from "node:crypto";
import { chmod, link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#server/kernel/errors.ts";

const KEY_BYTES = 32;
const FILE = "master.key";
/** Constant on purpose: every machine that is given the same passphrase must come to the same key. */
const PASSPHRASE_SALT = "auterity master key v1";
const PASSPHRASE_COST = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };

/**
 * The key that everything else is derived from or wrapped with. `configured` is 32 bytes in hex or base64, or a
 * passphrase of at least 16 characters. Without it, the key in `<dataDir>/master.key` (mode 0600) is used, made on first
 * use; whoever loses that file loses the vault and every encrypted value.
 */
export async function loadOrCreateMasterKey(dataDir: string, configured?: string): Promise<Buffer> {
  if (configured !== undefined) return parseMasterKey(configured);
  const path = join(dataDir, FILE);
  const stored = await readKeyFile(path);
  if (stored) return stored;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await createKeyFile(path);
  const created = await readKeyFile(path);
  if (created) return created;
  throw new AppError("config_invalid", `The master key file ${path} cannot be read back.`);
}

/** Key material for one purpose, equal for equal master keys: role passwords, audit keys. The master key cannot be computed from it. */
export function deriveSecret(masterKey: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, "auterity derived secret v1", purpose, KEY_BYTES));
}

function parseMasterKey(configured: string): Buffer {
  const value = configured.trim();
  const exact = decodeExact(value);
  if (exact) return exact;
  if (value.length >= 16) return scryptSync(value.normalize("NFC"), PASSPHRASE_SALT, KEY_BYTES, PASSPHRASE_COST);
  throw new AppError(
    "config_invalid",
    `The encryption key must be 32 bytes in hex or base64, or a passphrase of at least 16 characters; it has ${value.length} characters.`,
  );
}

function decodeExact(value: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(value)) return Buffer.from(value, "hex");
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return undefined;
  const bytes = Buffer.from(value, "base64");
  return bytes.length === KEY_BYTES ? bytes : undefined;
}

async function readKeyFile(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw new AppError("config_invalid", `The master key file ${path} cannot be read.`, { cause: error });
  });
  if (text === undefined) return undefined;
  const key = decodeExact(text.trim());
  if (!key) {
    throw new AppError("config_invalid", `The master key file ${path} does not hold 32 bytes in hex.`, {
      remedy: "Restore master.key from a backup; without it the stored secrets cannot be read.",
    });
  }
  await chmod(path, 0o600);
  return key;
}

/** Appears under its name only when it is whole and on disk; if two processes start at once, the first one's key stays. */
async function createKeyFile(path: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${randomBytes(KEY_BYTES).toString("hex")}\n`);
    await file.sync();
    await link(draft, path).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
  } finally {
    await file.close();
    await unlink(draft);
  }
}

const hasCode = (error: unknown, code: string): boolean => error instanceof Error && "code" in error && error.code === code;
