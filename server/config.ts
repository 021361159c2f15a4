import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "./kernel/errors.ts";

/** The project's folder, wherever the process was started from. */
export const PROJECT_DIR = dirname(dirname(fileURLToPath(import.meta.url)));

/** Several values in one. */
const list = (fits: (item: string) => boolean, expected: string) =>
  z
    .string()
    .transform((text) => text.split(",").map((item) => item.trim()))
    .refine((items) => items.every(fits), expected)
    .optional();

const Settings = z.object({
  AUTERITY_HOST: z.string().min(1).max(255).default("127.0.0.1"),
  AUTERITY_PORT: z.coerce.number().int().min(0).max(65_535).default(4600),
  AUTERITY_DATA_DIR: z.string().min(1).default(".auterity"),
  AUTERITY_ROLE: z.enum(["all", "api", "worker"], "expected `all`, `api` or `worker`").default("all"),
  AUTERITY_PUBLIC_URL: z.url({ protocol: /^https?$/, error: "expected https://host or http://host:port" }).optional(),
  AUTERITY_BOOTSTRAP_TOKEN: z.string().min(16, "expected at least 16 characters").max(512).optional(),
  AUTERITY_ENCRYPTION_KEY: z.string().min(16, "expected 32 bytes in base64 or hex, or a passphrase of at least 16 characters").optional(),
  AUTERITY_DRAIN_SECONDS: z.coerce.number().int().min(0).max(3_600).optional(),
  AUTERITY_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).optional(),
  AUTERITY_FRAME_RETENTION_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  AUTERITY_TENANT_CONCURRENCY: z.coerce.number().int().min(1).max(100_000).optional(),
  AUTERITY_MCP_COMMANDS: list(
    (command) => /^[^/\s]+$|^\/\S+$/.test(command),
    "expected names of commands or absolute paths, with commas between",
  ),
  AUTERITY_MCP_FOLDERS: list((folder) => folder === resolve(folder), "expected absolute paths, with commas between"),
  AUTERITY_MCP_TENANT_CALLS: z.coerce.number().int().min(1).max(LIMITS.mcpTenantCalls).optional(),
  AUTERITY_MCP_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).max(LIMITS.mcpRequestsPerMinute).optional(),
  AUTERITY_RUN_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_500).optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: "expected postgres://user:password@host:port/database" }).optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: "expected redis://user:password@host:port/number" }).optional(),
  OPENAI_API_KEY: z.string().min(1).optional(),
  OPENAI_BASE_URL: z.url({ protocol: /^https?$/ }).default("https://api.openai.com/v1"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_SERVICE_NAME: z.string().min(1).default("auterity"),
  NODE_ENV: z.string().default("production"),
});

/** Settings whose value may come from a file named by `<NAME>_FILE`. */
const SECRETS = ["AUTERITY_BOOTSTRAP_TOKEN", "AUTERITY_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY"] as const;

/** `api` serves HTTP and starts runs, `worker` drives them, `all` does both. */
export type Role = z.infer<typeof Settings>["AUTERITY_ROLE"];

export type Config = {
  readonly role: Role;
  readonly host: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** Where others reach the API, without a slash at the end; undefined: where it listens. */
  readonly publicUrl: string | undefined;
  /** Absolute. */
  readonly dataDir: string;
  readonly bootstrapToken: string | undefined;
  readonly encryptionKey: string | undefined;
  /** How long calls that are open may go on once the process has been told to stop. */
  readonly drainMs: number;
  /** Undefined: what needs attention at a terminal, where a person watches, and everything of note elsewhere. */
  readonly logLevel: "debug" | "info" | "warn" | "error" | undefined;
  readonly frameRetentionDays: number;
  /** Undefined keeps finished runs for ever. */
  readonly runRetentionDays: number | undefined;
  /** The most calls of a workspace at once, over all processes. Undefined: as many as come. */
  readonly tenantConcurrency: number | undefined;
  readonly mcp: {
    /** What servers may run, and the folders that they may name. Undefined: whatever somebody has approved. */
    readonly commands: readonly string[] | undefined;
    readonly folders: readonly string[] | undefined;
    /** The most calls of a workspace at once, in one process. */
    readonly tenantCalls: number | undefined;
    /** Of one caller, to the MCP endpoints. */
    readonly requestsPerMinute: number | undefined;
  };
  /** Undefined means the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** Undefined: processes find each other's work by looking into the database. */
  readonly redisUrl: string | undefined;
  readonly openai: { readonly apiKey: string; readonly baseUrl: string } | undefined;
  readonly otel: { readonly endpoint: string; readonly serviceName: string } | undefined;
  /** Answers are parsed with the contract before they leave; on outside production. */
  readonly checkResponses: boolean;
  /** Things worth telling the user, for example a misspelt name. */
  readonly warnings: readonly string[];
};

/** Reads the environment once. Throws `config_invalid` naming every wrong setting. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const parsed = Settings.safeParse(withFiles(env));
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
    throw new AppError("config_invalid", issues.map((i) => `${i.path}: ${i.message}`).join("; "), { issues });
  }
  const s = parsed.data;
  requireShared(s);
  return Object.freeze({
    role: s.AUTERITY_ROLE,
    host: s.AUTERITY_HOST,
    publicUrl: s.AUTERITY_PUBLIC_URL?.replace(/\/+$/, ""),
    port: s.AUTERITY_PORT,
    dataDir: resolve(PROJECT_DIR, s.AUTERITY_DATA_DIR),
    bootstrapToken: s.AUTERITY_BOOTSTRAP_TOKEN,
    encryptionKey: s.AUTERITY_ENCRYPTION_KEY,
    drainMs: (s.AUTERITY_DRAIN_SECONDS ?? DRAIN_SECONDS[s.AUTERITY_ROLE]) * 1_000,
    logLevel: s.AUTERITY_LOG_LEVEL,
    frameRetentionDays: s.AUTERITY_FRAME_RETENTION_DAYS,
    runRetentionDays: s.AUTERITY_RUN_RETENTION_DAYS,
    tenantConcurrency: s.AUTERITY_TENANT_CONCURRENCY,
    mcp: {
      commands: s.AUTERITY_MCP_COMMANDS,
      folders: s.AUTERITY_MCP_FOLDERS,
      tenantCalls: s.AUTERITY_MCP_TENANT_CALLS,
      requestsPerMinute: s.AUTERITY_MCP_REQUESTS_PER_MINUTE,
    },
    databaseUrl: s.DATABASE_URL,
    redisUrl: s.REDIS_URL,
    openai: s.OPENAI_API_KEY === undefined ? undefined : { apiKey: s.OPENAI_API_KEY, baseUrl: s.OPENAI_BASE_URL },
    otel:
      s.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : { endpoint: s.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: s.OTEL_SERVICE_NAME },
    checkResponses: s.NODE_ENV !== "production",
    warnings: unknownNames(env),
  });
}

/** Whoever waits for `all` to stop sits at its terminal; a worker's calls are worth a longer wait. */
const DRAIN_SECONDS = { all: 2, api: 2, worker: 20 } as const satisfies Record<Role, number>;

/** Processes of different roles are one platform only with one database, and with one key for what is stored there. */
function requireShared({ AUTERITY_ROLE: role, ...s }: z.infer<typeof Settings>): void {
  if (role === "all") return;
  const missing = (["DATABASE_URL", "AUTERITY_ENCRYPTION_KEY"] as const).filter((name) => s[name] === undefined);
  if (missing.length === 0) return;
  const issues = missing.map((path) => ({ path, message: `expected with AUTERITY_ROLE=${role}, not set` }));
  throw new AppError("config_invalid", issues.map((i) => `${i.path}: ${i.message}`).join("; "), {
    issues,
    remedy: `Give ${missing.join(" and ")} the same value in every process, or leave AUTERITY_ROLE out to run everything in one.`,
  });
}

/** The configuration as it may be logged: secrets say only whether they are set. */
export function maskedConfig(config: Config): Record<string, unknown> {
  const { bootstrapToken, encryptionKey, databaseUrl, redisUrl, openai, warnings: _, ...open } = config;
  return {
    ...open,
    bootstrapToken: bootstrapToken === undefined ? "not set" : "set",
    encryptionKey: encryptionKey === undefined ? "generated in the data dir" : "set",
    database: databaseUrl === undefined ? "embedded" : new URL(databaseUrl).host,
    redis: redisUrl === undefined ? "not set" : new URL(redisUrl).host,
    openai: openai?.baseUrl ?? "not set",
  };
}

function withFiles(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const values: Record<string, string | undefined> = {};
  // An empty value is how many shells and compose files say "not set".
  for (const name of Object.keys(Settings.shape)) values[name] = env[name] === "" ? undefined : env[name];
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`];
    if (file && values[name] === undefined) values[name] = readSecretFile(name, file);
  }
  return values;
}

function readSecretFile(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new AppError("config_invalid", `${name}_FILE: cannot read ${file}.`, { cause });
  }
}

function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const known = [...Object.keys(Settings.shape), ...SECRETS.map((name) => `${name}_FILE`)];
  return Object.keys(env)
    .filter((name) => name.startsWith("AUTERITY_") && !known.includes(name) && !name.startsWith("AUTERITY_TEST_"))
    .map((name) => `${name} is not a setting; the nearest is ${nearest(name, known)}.`);
}

const nearest = (name: string, known: readonly string[]): string =>
  known.toSorted((a, b) => editDistance(name, a) - editDistance(name, b))[0] ?? name;

/** Levenshtein distance, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, charA] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, charB] of b.split("").entries()) {
      next.push(Math.min((row[j] ?? 0) + (charA === charB ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
