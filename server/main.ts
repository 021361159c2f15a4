import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isLoopbackHost } from "./access/index.ts";
import { compose } from "./compose.ts";
import { maskedConfig, type Config } from "./config.ts";
import { Teardown } from "./kernel/teardown.ts";
import { lockDataDir } from "./postgres/index.ts";
import { createRedactor, loadOrCreateMasterKey } from "./secrets/index.ts";
import { createLog } from "./telemetry/index.ts";

export { readConfig, type Config } from "./config.ts";
export { AppError } from "./kernel/errors.ts";
export { backup, doctor, restore, type Check } from "./maintenance.ts";

export type Platform = {
  /** `http://127.0.0.1:4600`, without a slash at the end. */
  readonly url: string;
  /** An owner's API token, valid until the platform starts again; also in the file `owner-token` of the data dir. */
  readonly token: string;
  /** Signs a browser in, once; absent when the platform listens beyond this machine. */
  readonly signInUrl: string | undefined;
  /** Lets running work come to a safe point, ends every child process, the database last. The same promise for a second caller. */
  stop(): Promise<void>;
};

/** Starts the platform. Throws `AppError` with a remedy when it cannot; nothing is left running then. */
export async function startPlatform(config: Config): Promise<Platform> {
  const redactor = createRedactor();
  const format = process.stderr.isTTY ? "pretty" : "json";
  const log = createLog({ level: config.logLevel, format, redactor, write: (line) => process.stderr.write(line) });
  for (const secret of [config.bootstrapToken, config.encryptionKey, config.openai?.apiKey]) if (secret) redactor.track(secret);
  for (const warning of config.warnings) log.warn(warning);
  const teardown = new Teardown(log);
  try {
    const lock = await lockDataDir(config.dataDir);
    teardown.add("data dir lock", () => lock.release());
    log.info("starting", maskedConfig(config));
    const masterKey = await loadOrCreateMasterKey(config.dataDir, config.encryptionKey);
    const { url, access, owner } = await compose({ config, masterKey, redactor, log, teardown });
    const { token, id } = await access.issueToken(owner, "local owner");
    teardown.add("owner token", () => access.revokeToken(owner, id));
    redactor.track(token);
    await writeFile(join(config.dataDir, "owner-token"), token, { mode: 0o600 });
    const signInUrl = isLoopbackHost(config.host) ? (await access.createSignInLink(owner)).url : undefined;
    return { url, token, signInUrl, stop: () => teardown.close() };
  } catch (error) {
    await teardown.close();
    throw error;
  }
}
