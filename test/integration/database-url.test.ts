import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import { connect } from "#server/postgres/connection.ts";
import { startEmbeddedPostgres, withDatabase, withLogin, type EmbeddedPostgres } from "#server/postgres/index.ts";
import { runCli } from "#test/support/cli.ts";
import { readdirSync } from "node:fs";
import { newDataDir, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/** A PostgreSQL of somebody else's, as far as the platform can tell. */
let server: EmbeddedPostgres;
let folder: string;
const key = { AUTERITY_ENCRYPTION_KEY: "one-passphrase-for-all-of-them" };

beforeAll(async () => {
  folder = await newDataDir();
  server = await startEmbeddedPostgres({ dataDir: folder, log: silentLog, superuserPassword: "own", durable: false });
  await server.createDatabase("own");
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const start = (databaseUrl: string): Promise<StartedPlatform> => startedPlatform({ env: { ...key, DATABASE_URL: databaseUrl } });
const hello = (platform: StartedPlatform, name: string) =>
  runCli(["run", "templates/hello.yaml", `name=${name}`, "--url", platform.url, "--token", platform.token, "-o", "json"]);

describe("the platform on a PostgreSQL that is there already", () => {
  let first: StartedPlatform;
  let second: StartedPlatform;
  beforeAll(async () => {
    first = await start(withDatabase(server.url(), "own"));
    second = await start(withDatabase(server.url(), "own"));
  });
  afterAll(async () => {
    await second.close();
    await first.close();
  });

  test("runs a workflow and starts no database of its own", async () => {
    const { code, stdout, stderr } = await hello(first, "Ada");
    expect({ code, output: JSON.parse(stdout || "null"), stderr }).toMatchObject({ code: 0, output: { greeting: "Hello, Ada!" } });
    expect(readdirSync(first.config.dataDir).filter((name) => name.includes("postgres"))).toEqual([]);
  });

  test("has made its three roles: able to log in, and to nothing that would pass row-level security", async () => {
    const admin = await connect(server.url());
    try {
      const { rows } = await admin.query(`
        select rolname as name, rolcanlogin as login, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as powerful
        from pg_roles where rolname like 'auterity\\_%' and rolname <> 'auterity_admin' order by 1`);
      expect(rows).toEqual(["api", "owner", "worker"].map((name) => ({ name: `auterity_${name}`, login: true, powerful: false })));
    } finally {
      await admin.end();
    }
  });

  test("serves through those roles only", async () => {
    const superuser = await first.sql();
    const { rows } = await superuser.query<{ name: string }>(
      "select distinct usename::text as name from pg_stat_activity where datname = 'own' and pid <> pg_backend_pid() order by 1",
    );
    expect(rows.map(({ name }) => name)).toEqual(["auterity_api", "auterity_worker"]);
  });

  test("two processes share it: what one starts the other shows, and either carries out", async () => {
    const { items } = await first.client.listWorkflows({ query: { name: "Hello" } });
    const id = items[0]?.id ?? "";
    const runs = await Promise.all(
      [first, second, first, second].map(({ client }, n) => client.startRun({ params: { id }, body: { input: { name: `No. ${n}` } } })),
    );
    for (const run of runs) {
      const ended = await second.client.waitForRun(run.id);
      expect(ended).toMatchObject({ status: "succeeded" });
      expect(await first.client.getRun({ params: { id: run.id } })).toEqual(ended);
    }
    expect(await first.client.verifyAudit()).toMatchObject({ valid: true });
  });
});

test("a login that owns its database and may create roles is enough", async () => {
  const admin = await connect(server.url());
  try {
    await admin.query("drop database own with (force)");
    for (const role of ["auterity_api", "auterity_worker", "auterity_owner"]) await admin.query(`drop role ${role}`);
    await admin.query("create role plain login createrole password 'plain'");
    await admin.query("create database plain owner plain");
  } finally {
    await admin.end();
  }
  const platform = await start(withLogin(withDatabase(server.url(), "plain"), "plain", "plain"));
  try {
    expect(await hello(platform, "Bo")).toMatchObject({ code: 0, stdout: expect.stringContaining("Hello, Bo!") });
  } finally {
    await platform.close();
  }
});
