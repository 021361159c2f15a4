import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isLoopbackHost, type Access } from "./access/index.ts";
import { compose } from "./compose.ts";
import { maskedConfig, type Config } from "./config.ts";
import type { Caller } from "./kernel/caller.ts";
import type { Log } from "./kernel/log.ts";
import type { Redactor } from "./kernel/ports.ts";
import { AppError } from "./kernel/errors.ts";
import { keepShortLivedYoung } from "./kernel/heap.ts";
import { Teardown } from "./kernel/teardown.ts";
import { lockDataDir } from "./postgres/index.ts";
import { createRedactor, loadOrCreateMasterKey } from "./secrets/index.ts";
import { createLog } from "./telemetry/index.ts";

export { readConfig, type Config } from "./config.ts";
export { AppError };
export { checkAnswer } from "./mcp/index.ts";
export { backup, doctor, restore } from "./maintenance.ts";

export type Platform = {
  /** `http://127.0.0.1:4600`, without a slash at the end. */
  readonly url: string;
  /** An owner's API token, for whoever can read the file `owner-token` of the data dir; absent in a process that serves no API. */
  readonly token: string | undefined;
  /** Signs a browser in, once; absent when the platform listens beyond this machine, or serves no API. */
  readonly signInUrl: string | undefined;
  /** Resolves only when the platform cannot go on; it should then be stopped. */
  readonly lost: Promise<AppError>;
  /** Lets running work come to a safe point, ends every child process, the database last. The same promise for a second caller. */
  stop(): Promise<void>;
};

/** Starts the platform. Throws `AppError` with a remedy when it cannot; nothing is left running then. */
export async function startPlatform(config: Config): Promise<Platform> {
  keepShortLivedYoung();
  const redactor = createRedactor();
  const log = processLog(config, redactor);
  for (const secret of [config.bootstrapToken, config.encryptionKey, config.openai?.apiKey]) if (secret) redactor.track(secret);
  for (const warning of config.warnings) log.warn(warning);
  const teardown = new Teardown(log);
  try {
    const lock = await lockDataDir(config.dataDir);
    teardown.add("data dir lock", () => lock.release());
    log.info("starting", maskedConfig(config));
    const masterKey = await loadOrCreateMasterKey(config.dataDir, config.encryptionKey);
    const lost = Promise.withResolvers<AppError>();
    const onDatabaseLost = (): void => lost.resolve(new AppError("database_unavailable", "The embedded PostgreSQL died too often."));
    const { url, access, owner, ready } = await compose({ config, masterKey, redactor, log, teardown, onDatabaseLost });
    const token = owner && (await ownerToken(config, access, owner));
    if (token !== undefined) redactor.track(token);
    const signInUrl = owner && isLoopbackHost(config.host) ? (await access.createSignInLink(owner)).url : undefined;
    ready();
    return { url, token, signInUrl, lost: lost.promise, stop: () => teardown.close() };
  } catch (error) {
    await teardown.close();
    throw error;
  }
}

/** Kept over starts, so that a command that has read it before a restart still works after it. */
async function ownerToken({ dataDir }: Config, access: Access, owner: Caller): Promise<string> {
  const file = join(dataDir, "owner-token");
  const kept = await readFile(file, "utf8").catch(() => "");
  if (kept !== "" && (await access.authenticate({ authorization: `Bearer ${kept}` }))) return kept;
  const { token } = await access.issueToken(owner, "local owner");
  await writeFile(file, token, { mode: 0o600 });
  return token;
}

/** Lines for a person at a terminal, one JSON object a line for everything else; on standard error in both cases. */
function processLog({ logLevel }: Config, redactor: Redactor): Log {
  const isTerminal = process.stderr.isTTY;
  const level = logLevel ?? (isTerminal ? "warn" : "info");
  return createLog({ level, format: isTerminal ? "pretty" : "json", redactor, write: (line) => process.stderr.write(line) });
}
