import { rm } from "node:fs/promises";
import type pg from "pg";
import { silentLog } from "#server/kernel/log.ts";
import { connect } from "#server/postgres/connection.ts";
import { lockDataDir, startEmbeddedPostgres, withDatabase, type DataDirLock, type EmbeddedPostgres } from "#server/postgres/index.ts";
import type { Client } from "#sdk/client.ts";
import { PlatformProcess } from "./platform.ts";
import { RedisServer } from "./redis.ts";
import { newDataDir } from "./started-platform.ts";

type Options = {
  workers: number;
  /** Whether the database waits for its disk. */
  durable?: boolean;
  /** Of all processes. */
  env?: Record<string, string>;
};
type Parts = { redis: RedisServer; folder: string; lock: DataDirLock; env: Record<string, string> };

/** One installation on many machines: a PostgreSQL, a Redis, an API process and workers, all real processes. */
export class Machines {
  readonly redis: RedisServer;
  readonly api: PlatformProcess;
  readonly workers: PlatformProcess[] = [];
  readonly #postgres: EmbeddedPostgres;
  readonly #folder: string;
  readonly #lock: DataDirLock;
  readonly #env: Record<string, string>;
  #sql: pg.Client | undefined;

  private constructor(postgres: EmbeddedPostgres, { redis, folder, lock, env }: Parts) {
    this.#postgres = postgres;
    this.redis = redis;
    this.#folder = folder;
    this.#lock = lock;
    this.#env = {
      AUTERITY_ENCRYPTION_KEY: "one-passphrase-for-all-of-them",
      DATABASE_URL: withDatabase(postgres.url(), "machines"),
      REDIS_URL: redis.url,
      ...env,
    };
    this.api = new PlatformProcess({ ...this.#env, AUTERITY_ROLE: "api" });
  }

  static async start({ workers, durable = false, env = {} }: Options): Promise<Machines> {
    const folder = await newDataDir();
    // As long as somebody holds it, other test runs do not clear it up as abandoned.
    const lock = await lockDataDir(folder);
    const postgres = await startEmbeddedPostgres({ dataDir: folder, log: silentLog, superuserPassword: "own", durable });
    await postgres.createDatabase("machines");
    const machines = new Machines(postgres, { redis: await RedisServer.start(), folder, lock, env });
    await machines.api.start();
    for (let i = 0; i < workers; i += 1) await machines.addWorker();
    return machines;
  }

  get client(): Client {
    return this.api.client;
  }

  async addWorker(env: Record<string, string> = {}): Promise<PlatformProcess> {
    const worker = new PlatformProcess({ ...this.#env, AUTERITY_ROLE: "worker", AUTERITY_DRAIN_SECONDS: "1", ...env });
    this.workers.push(worker);
    await worker.start();
    return worker;
  }

  /** What the database itself says, read by its superuser. */
  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    this.#sql ??= await connect(withDatabase(this.#postgres.url(), "machines"));
    return (await this.#sql.query<R>(text, [...values])).rows;
  }

  async stopDatabase(): Promise<void> {
    await this.#sql?.end().catch(() => {});
    await this.#postgres.stop();
  }

  async dispose(): Promise<void> {
    this.redis.goOn();
    await Promise.allSettled([...this.workers, this.api].map((one) => one.dispose()));
    await this.redis.dispose();
    await this.stopDatabase();
    await this.#lock.release();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
