import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { Client } from "pg";
import { AppError } from "../kernel/errors.ts";
import { sqlState } from "../kernel/pg-errors.ts";
import { ROLES, withLogin, type DatabaseRole } from "./addresses.ts";
import { holdingLock } from "./advisory-lock.ts";
import { connect } from "./connection.ts";

export type RolePassword = (role: DatabaseRole) => string;

/**
 * Makes the three login roles exist with our passwords, and auterity_owner own the schema. Needs a superuser, or the
 * database's owner with CREATEROLE; needs neither when everything is in place already.
 */
export async function ensureRoles(adminUrl: string, rolePassword: RolePassword): Promise<void> {
  const admin = await connect(adminUrl).catch((error: unknown) => {
    throw explainRefusal(error);
  });
  try {
    await holdingLock(admin, "roles", async () => {
      for (const role of ROLES) await ensureRole(admin, { role, password: rolePassword(role), url: adminUrl });
      await ensureOwnership(admin);
    });
  } catch (error) {
    throw sqlState(error) === "42501" ? mayNot(error) : error;
  } finally {
    await admin.end();
  }
}

type RoleLogin = { role: DatabaseRole; password: string; url: string };
async function ensureRole(admin: Client, { role, password, url }: RoleLogin): Promise<void> {
  const { rowCount } = await admin.query("select from pg_roles where rolname = $1", [role]);
  const isMine = rowCount === 0 && (await createRole(admin, role, password));
  if (!isMine && !(await canLogIn(withLogin(url, role, password)))) {
    await admin.query(`alter role ${role} login password '${scramVerifier(password)}'`);
  }
  await admin.query(`do $$ begin execute format('grant connect on database %I to ${role}', current_database()); end $$`);
}

/** False when somebody else made it at the same moment: roles belong to the server, our lock only to one database of it. */
async function createRole(admin: Client, role: DatabaseRole, password: string): Promise<boolean> {
  const attributes = "login nosuperuser nobypassrls nocreatedb nocreaterole noreplication";
  try {
    await admin.query(`create role ${role} ${attributes} password '${scramVerifier(password)}'`);
    return true;
  } catch (error) {
    if (["23505", "42710"].includes(sqlState(error) ?? "")) return false;
    throw error;
  }
}

/** False only when the server refuses the login itself. */
async function canLogIn(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (sqlState(error)?.startsWith("28")) return false;
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

async function ensureOwnership(admin: Client): Promise<void> {
  const { rows } = await admin.query<{ owner: string; super: boolean }>(`
    select pg_get_userbyid(nspowner) as owner, (select rolsuper from pg_roles where rolname = current_user) as super
    from pg_namespace where nspname = 'public'`);
  if (rows[0]?.owner === "auterity_owner") return;
  // Giving something away takes membership in the receiving role, which its creator does not have by itself.
  if (!rows[0]?.super) await admin.query("grant auterity_owner to current_user");
  await admin.query(`do $$ begin execute format('grant create, temporary on database %I to auterity_owner', current_database()); end $$`);
  await admin.query(`
    create schema if not exists public;
    alter schema public owner to auterity_owner;
    revoke all on schema public from public;
    grant usage on schema public to auterity_api, auterity_worker`);
}

/** What PostgreSQL stores for SCRAM-SHA-256; sent instead of the password, which thus reaches no statement log. */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password.normalize("NFKC"), salt, iterations, 32, "sha256");
  const sign = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(sign("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${sign("Server Key").toString("base64")}`;
}

/** Row-level security does not bind a superuser or a role with BYPASSRLS; serving through one would isolate nobody. */
export async function refusePowerfulRoles(client: Client): Promise<void> {
  const { rows } = await client.query<{ rolname: string }>(
    "select rolname from pg_roles where rolname in ('auterity_api', 'auterity_worker') and (rolsuper or rolbypassrls) order by 1",
  );
  if (rows.length === 0) return;
  const names = rows.map(({ rolname }) => rolname).join(" and ");
  throw new AppError("config_invalid", `The database role ${names} may bypass row-level security, so tenants would not be isolated.`, {
    remedy: rows.map(({ rolname }) => `ALTER ROLE ${rolname} NOSUPERUSER NOBYPASSRLS;`).join(" "),
  });
}

/** At the first connection a refusal is a matter of the address, which waiting does not mend. */
function explainRefusal(error: unknown): unknown {
  const state = error instanceof AppError ? (sqlState(error.cause) ?? "") : "";
  const what = state.startsWith("28") ? "refuses the login" : state === "3D000" ? "does not have the database" : undefined;
  if (what === undefined) return error;
  return new AppError("config_invalid", `PostgreSQL ${what} that DATABASE_URL names.`, { cause: error });
}

function mayNot(cause: unknown): AppError {
  return new AppError("config_invalid", "The user of DATABASE_URL may not create the platform's database roles or give them the schema.", {
    cause,
    remedy: "Use a superuser, or the database's owner with CREATEROLE; it is needed only when roles or schema change.",
  });
}
