import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient, type Client } from "#sdk/client.ts";
import { readConfig, startPlatform, type Config } from "#server/main.ts";
import { notice } from "./output.ts";

export type ConnectOptions = { url?: string; token?: string };

/** Where the platform of this configuration listens. */
export const platformUrl = (config: Config): string =>
  `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${config.port}`;

/** The token that a running platform left in its data dir for the person who started it. */
function ownerToken(config: Config): string | undefined {
  if (config.bootstrapToken !== undefined) return config.bootstrapToken;
  try {
    return readFileSync(join(config.dataDir, "owner-token"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** A client of the platform that is expected to run. */
export function connect(options: ConnectOptions): Client {
  const config = readConfig(process.env);
  return createClient({ url: options.url ?? platformUrl(config), token: options.token ?? ownerToken(config) ?? "" });
}

/** Gives `use` a client of the running platform or, when none runs here, of one that is started for this command only. */
export async function withPlatform<T>(options: ConnectOptions, use: (client: Client) => Promise<T>): Promise<T> {
  const config = readConfig(process.env);
  if (options.url !== undefined || (await isRunning(platformUrl(config)))) return use(connect(options));
  notice(`No platform answers at ${platformUrl(config)}; starting one for this command.`);
  const platform = await startPlatform({ ...config, role: "all", port: 0, logLevel: "warn" });
  try {
    return await use(createClient({ url: platform.url, token: platform.token ?? "" }));
  } finally {
    await platform.stop();
  }
}

async function isRunning(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}
