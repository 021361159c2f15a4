import { mkdtemp, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import { withDatabase, withLogin } from "./addresses.ts";
import { connect } from "./connection.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded/embedded-postgres.ts";
import { openPostgres, type OpenOptions, type Postgres } from "./open.ts";
import { scramVerifier } from "./roles.ts";

/** A server of its own, because roles belong to the server: changing them would disturb every other test. */
describe("the roles of a server", () => {
  let dataDir: string;
  let server: EmbeddedPostgres;
  let admin: Client;
  const opened: Postgres[] = [];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "auterity-roles-"));
    await chmod(dataDir, 0o711);
    server = await startEmbeddedPostgres({ dataDir, log: silentLog, superuserPassword: "secret", durable: false });
  });
  afterAll(async () => {
    await server.stop();
    await rm(dirname(server.clusterDir), { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    admin = await connect(server.url());
  });
  afterEach(async () => {
    for (const postgres of opened.splice(0)) await postgres.close();
    await admin.end();
  });
  const open = async (more: Partial<OpenOptions> = {}): Promise<Postgres> => {
    const postgres = await openPostgres({ ownerUrl: server.url(), rolePassword: (role) => `of ${role}`, log: silentLog, ...more });
    opened.push(postgres);
    return postgres;
  };

  const inDatabase = (name: string): string => withDatabase(server.url(), name);

  test("can all be made by a database's owner with CREATEROLE, no superuser needed", async () => {
    await admin.query("create role landlord login createrole password 'x'");
    await admin.query("create database rented owner landlord");
    const postgres = await open({ ownerUrl: withLogin(inDatabase("rented"), "landlord", "x") });
    await expect(postgres.ping()).resolves.toBeUndefined();
    const again = await open({ ownerUrl: withLogin(inDatabase("rented"), "landlord", "x") });
    await expect(again.ping()).resolves.toBeUndefined();
  });

  test("cannot be made by a login without those rights, which is said", async () => {
    await admin.query("create role lodger login password 'x'");
    await server.createDatabase("closed");
    await expect(open({ ownerUrl: withLogin(inDatabase("closed"), "lodger", "x") })).rejects.toMatchObject({
      code: "config_invalid",
      remedy: expect.stringContaining("CREATEROLE"),
    });
  });

  test("need a login and a database that exist, else the address is named as the cause", async () => {
    await expect(open({ ownerUrl: withLogin(server.url(), "auterity_admin", "wrong") })).rejects.toMatchObject({ code: "config_invalid" });
    await expect(open({ ownerUrl: inDatabase("nowhere") })).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("are made by the first start, also when several databases start at once, with no power but their own", async () => {
    await server.createDatabase("neighbour");
    await Promise.all([open(), open({ ownerUrl: inDatabase("neighbour") })]);
    const { rows } = await admin.query(`
      select rolname, rolsuper or rolbypassrls or rolcreatedb or rolcreaterole or rolreplication as powerful, rolcanlogin
      from pg_roles where rolname like 'auterity\\_%' and rolname <> 'auterity_admin' order by 1`);
    expect(rows).toEqual([
      { rolname: "auterity_api", powerful: false, rolcanlogin: true },
      { rolname: "auterity_owner", powerful: false, rolcanlogin: true },
      { rolname: "auterity_worker", powerful: false, rolcanlogin: true },
    ]);
  });

  test.each(["superuser", "bypassrls"])("refuses a serving role that is %s", async (attribute) => {
    await admin.query(`alter role auterity_api ${attribute}`);
    try {
      await expect(open()).rejects.toMatchObject({ code: "config_invalid", remedy: expect.stringContaining("ALTER ROLE auterity_api") });
    } finally {
      await admin.query(`alter role auterity_api no${attribute}`);
    }
  });

  test("gives a role the present password again when the server has another", async () => {
    await admin.query("alter role auterity_worker password 'from an older key'");
    const postgres = await open();
    await expect(postgres.ping()).resolves.toBeUndefined();
  });
});

describe("a SCRAM verifier", () => {
  test("is what RFC 7677 computes", () => {
    const verifier = scramVerifier("pencil", Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"), 4096);
    expect(verifier).toBe(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });
});
