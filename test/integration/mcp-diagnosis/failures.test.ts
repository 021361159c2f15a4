import type { RequestListener } from "node:http";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { FAILURE_CAUSES, FAILURE_CODES, type FailureCode } from "#contract/mcp/failures.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import type { ServerTest } from "#contract/mcp/tests.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import { makeAuthority, makeSelfSigned } from "#test/support/mcp/certificates.ts";
import { diagnosisPlatform, type DiagnosisPlatform } from "#test/support/mcp/diagnosis.ts";
import { failingServers, type FailingServers } from "#test/support/mcp/failing-servers.ts";
import { callerOf, hostile, register } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { ROOT } from "#test/support/source-files.ts";

const SECRET = "hunter2-hunter2";
const authority = makeAuthority();
const stranger = makeAuthority("Somebody else");
let db: TestDatabase;
let servers: FailingServers;
const open: DiagnosisPlatform[] = [];
const trusted = tls.getCACertificates("default");

beforeAll(async () => {
  tls.setDefaultCACertificates([...trusted, authority.pem]);
  db = await testDatabase();
  servers = failingServers();
});
afterEach(async () => {
  for (const platform of open.splice(0)) await platform.close();
});
afterAll(async () => {
  tls.setDefaultCACertificates(trusted);
  await servers.close();
  await db.close();
});

/** Short waits, for servers that never say anything. */
const IMPATIENT = { probeMs: 300, handshakeMs: 600, httpHeadersMs: 600 };

async function platform(timings: object = {}): Promise<DiagnosisPlatform> {
  const started = await diagnosisPlatform(db, {
    secretValues: { token: SECRET, lines: "Bearer one\ntwo" },
    timings: { stopEofMs: 50, ...timings },
  });
  open.push(started);
  return started;
}

const OLD_TLS = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
/** Refuses each version but this one, as the protocol has it. */
const ofVersion =
  (version: string): RequestListener =>
  async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const { id }: { id?: number } = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const data = { supported: [version], requested: "2026-07-28" };
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32_022, message: "Unsupported protocol version", data } }));
  };
const http = (url: string, headers: Record<string, string> = {}): Launch => ({ transport: "http", url, headers });
const html = { "content-type": "text/html" };

/** A file that nobody may execute. */
const PLAIN_FILE = join(ROOT, "README.md");

type Row = {
  code: FailureCode;
  what: string;
  launch: () => Launch | Promise<Launch>;
  stage: ServerTest["stages"][number]["stage"];
  says: RegExp;
  remedy?: RegExp;
  cause?: RegExp;
  evidence?: object;
  isSilent?: boolean;
  tool?: string;
};

/** One row for each way to fail: what is started, at which stage it is noticed, and what is said of it. */
const ROWS: readonly Row[] = [
  {
    code: "mcp_command_not_found",
    what: "a command that is not there",
    launch: () => ({ ...hostile(), command: "no-such-command-here" }),
    stage: "launch",
    says: /no-such-command-here was not found/,
  },
  {
    code: "mcp_command_not_found",
    what: "a folder that is not there",
    launch: () => ({ ...hostile(), cwd: "/no/such/folder" }),
    stage: "launch",
    says: /folder \/no\/such\/folder does not exist/,
    remedy: /cwd/,
  },
  {
    code: "mcp_command_not_executable",
    what: "a file that is no program",
    launch: async () => ({ ...hostile(), command: PLAIN_FILE }),
    stage: "launch",
    says: /is not executable/,
    remedy: /chmod/,
  },
  {
    code: "mcp_handshake_failed",
    what: "a secret that no header can hold",
    launch: () => http("http://127.0.0.1:9000/mcp", { Authorization: "secret:lines" }),
    stage: "connect",
    says: /value of the header Authorization cannot be sent/,
    cause: /line break/,
    remedy: /Store the secret again/,
  },
  {
    code: "mcp_exited",
    what: "a program that ends before the handshake",
    launch: () => hostile("exits"),
    stage: "handshake",
    says: /ended before it was ready \(exit code 3\)/,
    remedy: /in a terminal/,
    evidence: { exit: "exit code 3", stderr: expect.stringContaining("cannot open the database") },
  },
  {
    code: "mcp_exited",
    what: "a program that ends after the handshake",
    launch: () => hostile(),
    tool: "crash",
    stage: "sample_call",
    says: /process ended/,
    remedy: /stderr/,
    evidence: { stderr: expect.stringContaining("giving up") },
  },
  {
    code: "mcp_no_handshake",
    what: "a program that says nothing (M-07)",
    launch: () => hostile("silent"),
    stage: "handshake",
    says: /did not answer the handshake/,
    isSilent: true,
  },
  {
    code: "mcp_output_invalid",
    what: "a program that prints text",
    launch: () => hostile("garbage"),
    stage: "handshake",
    says: /no MCP messages/,
    evidence: { output: "Welcome! <<not json>>" },
    isSilent: true,
  },
  {
    code: "mcp_output_invalid",
    what: "an address that answers with half a document",
    launch: async () => http(await servers.http({ headers: { "content-type": "application/json" }, body: "{" })),
    stage: "handshake",
    says: /no MCP message/,
    remedy: /JSON-RPC/,
  },
  {
    code: "mcp_version_unsupported",
    what: "a server of a version that nobody knows (M-07)",
    launch: () => hostile("wrong-version"),
    stage: "handshake",
    says: /9999-01-01.*2025-11-25/,
  },
  {
    code: "mcp_version_unsupported",
    what: "a server of the 2026 era that knows only versions of its own (M-07)",
    launch: async () => http((await servers.serve(ofVersion("9999-01-01"))).url),
    stage: "handshake",
    says: /9999-01-01.*2026-07-28/,
  },
  {
    code: "mcp_connection_refused",
    what: "a port where nobody listens",
    launch: async () => http(await servers.gone()),
    stage: "connect",
    says: /Nothing answers.*ECONNREFUSED/,
    evidence: { error: expect.stringContaining("ECONNREFUSED") },
  },
  {
    code: "mcp_dns_failed",
    what: "a name that nobody knows",
    launch: () => http("http://no-such-host.invalid/mcp"),
    stage: "connect",
    says: /cannot be resolved.*no-such-host\.invalid/,
  },
  {
    code: "mcp_tls_failed",
    what: "a self-signed certificate (N-23)",
    launch: async () => http(await servers.tls(makeSelfSigned("localhost"))),
    stage: "connect",
    says: /is self-signed/,
    cause: /made its certificate itself/,
  },
  {
    code: "mcp_tls_failed",
    what: "an expired certificate (N-23)",
    launch: async () =>
      http(await servers.tls(authority.issue({ host: "localhost", notBefore: new Date("2020-01-01"), notAfter: new Date("2020-02-01") }))),
    stage: "connect",
    says: /is expired/,
    cause: /not renewed/,
    remedy: /Renew/,
  },
  {
    code: "mcp_tls_failed",
    what: "a certificate for another name (N-23)",
    launch: async () => http(await servers.tls(authority.issue({ host: "other.example" }))),
    stage: "connect",
    says: /is for another host name/,
    remedy: /name that the certificate is for/,
  },
  {
    code: "mcp_tls_failed",
    what: "a certificate of an unknown authority (N-23)",
    launch: async () => http(await servers.tls(stranger.issue({ host: "localhost" }))),
    stage: "connect",
    says: /authority that this machine does not know/,
  },
  {
    code: "mcp_tls_failed",
    what: "TLS of a version that is too old (N-23)",
    launch: async () => http(await servers.tls(authority.issue({ host: "localhost" }), OLD_TLS)),
    stage: "connect",
    says: /could not be agreed on/,
    cause: /a version of TLS that is too old/,
  },
  {
    code: "mcp_tls_failed",
    what: "no TLS where TLS is expected",
    launch: async () => http((await servers.http({})).replace("http:", "https:")),
    stage: "connect",
    says: /could not be agreed on/,
    remedy: /http:\/\//,
  },
  {
    code: "mcp_unauthorized",
    what: "a server that wants a credential",
    launch: async () =>
      http(
        await servers.http({
          status: 401,
          headers: { "www-authenticate": 'Bearer realm="vault", scope="tools:read"' },
          body: "who are you?",
        }),
      ),
    stage: "handshake",
    says: /realm is "vault".*scope tools:read/,
    evidence: { http: { status: 401, body: "who are you?", headers: { "www-authenticate": 'Bearer realm="vault", scope="tools:read"' } } },
  },
  {
    code: "mcp_forbidden",
    what: "a credential without the right",
    launch: async () =>
      http(await servers.http({ status: 403, headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="admin"' } })),
    stage: "handshake",
    says: /refuses this client \(HTTP 403\).*scope admin/,
  },
  {
    code: "mcp_endpoint_wrong",
    what: "an address with nothing",
    launch: async () => http(await servers.http({ status: 404, headers: html, body: "nothing here" })),
    stage: "handshake",
    says: /HTTP 404/,
    evidence: { http: { status: 404, body: "nothing here", headers: html } },
  },
  {
    code: "mcp_endpoint_wrong",
    what: "an address with a web page",
    launch: async () => http(await servers.http({ headers: html, body: "<h1>It works</h1>" })),
    stage: "handshake",
    says: /text\/html/,
    evidence: { http: { status: 200, body: "<h1>It works</h1>", headers: html } },
  },
  {
    code: "mcp_server_failed",
    what: "a server that is broken",
    launch: async () => http(await servers.http({ status: 502, headers: { ...html, server: "proxy" }, body: "bad gateway" })),
    stage: "handshake",
    says: /HTTP 502/,
    evidence: { http: { status: 502, body: "bad gateway", headers: { ...html, server: "proxy" } } },
  },
  {
    code: "mcp_redirect_refused",
    what: "a redirect to another host",
    launch: async () => http(await servers.http({ status: 307, headers: { location: "http://169.254.169.254/latest" } })),
    stage: "handshake",
    says: /HTTP 307.*169\.254\.169\.254/,
  },
  {
    code: "mcp_timeout",
    what: "a port that takes connections and says nothing",
    launch: async () => http(await servers.mute()),
    stage: "connect",
    says: /did not answer/,
    isSilent: true,
  },
  {
    code: "mcp_protocol_error",
    what: "a list without an end",
    launch: () => hostile("endless-list"),
    stage: "list",
    says: /pages without an end/,
  },
  {
    code: "mcp_message_too_large",
    what: "a message larger than any may be",
    launch: () => hostile("oversized"),
    stage: "handshake",
    says: /longer than 10485760 bytes/,
  },
  {
    code: "mcp_handshake_failed",
    what: "a refusal without a word",
    launch: async () => http(await servers.http({ status: 400 })),
    stage: "handshake",
    says: /HTTP 400/,
  },
  {
    code: "egress_denied",
    what: "a port of a database",
    launch: () => http("http://93.184.216.34:5432/mcp"),
    stage: "connect",
    says: /93\.184\.216\.34:5432 may not be called/,
  },
  {
    code: "secret_missing",
    what: "a secret that nobody has stored",
    launch: () => ({ ...hostile(), env: { API_KEY: "secret:nowhere" } }),
    stage: "launch",
    says: /nowhere/,
  },
];

describe("a test of a launch explains", () => {
  test.each(ROWS)("$what: $code", async ({ code, launch, stage, says, remedy, cause, evidence, isSilent, tool }) => {
    const p = await platform(isSilent ? IMPATIENT : {});
    const report = await p.call(routes.testMcpLaunch, { body: { launch: await launch(), ...(tool && { tool }) } });
    expect(report).toMatchObject({ ok: false, serverId: null, failure: { code, stage } });
    const { failure } = report;
    expect(failure?.message).toMatch(says);
    expect(failure?.remedy).toMatch(remedy ?? /./);
    expect(failure?.cause).toMatch(cause ?? /./);
    if (evidence) expect(failure?.evidence).toMatchObject(evidence);
    expect(report.stages.map((row) => [row.stage, row.status])).toEqual(reached(stage, report));
    expect(await p.left()).toEqual([]);
    const { rows } = await db.ownerPool.query("select id from mcp_servers where name like 'trial-%'");
    expect(rows).toEqual([]);
  });

  test("every class, and each with a cause and a remedy of its own", () => {
    // The last two need a server that runs for a while, or a machine without a sandbox: `server/mcp/process` shows them.
    const shown = new Set<string>([...ROWS.map(({ code }) => code), "launch_not_approved", "mcp_over_limit", "mcp_sandbox_unavailable"]);
    expect(FAILURE_CODES.filter((code) => !shown.has(code))).toEqual([]);
    expect(new Set(Object.values(FAILURE_CAUSES)).size).toBe(FAILURE_CODES.length);
  });
});

/** All stages: those before, the one that failed, and those that were not reached. */
function reached(failed: string, { stages }: ServerTest): (readonly [string, string])[] {
  const names = [stages[0]?.stage ?? "", "handshake", "list", "ping", "sample_call"];
  const at = names.indexOf(failed);
  return names.map((name, i) => [name, i < at ? "ok" : i === at ? "failed" : "skipped"] as const);
}

test("evidence holds no secret, wherever the server has put it", async () => {
  const p = await platform(IMPATIENT);
  const launch = { ...hostile("leaks", "silent"), env: { TOKEN: "secret:token" } };
  const stdio = await p.call(routes.testMcpLaunch, { body: { launch } });
  expect(stdio.failure?.evidence).toMatchObject({ output: "hello, your token is [redacted]", stderr: "the token is [redacted]" });
  const { url } = await servers.serve((request, response) => {
    response
      .writeHead(401, { "www-authenticate": `Bearer realm="${request.headers.authorization}"` })
      .end(`no: ${request.headers.authorization}`);
  });
  const remote = await p.call(routes.testMcpLaunch, { body: { launch: http(url, { authorization: "secret:token" }) } });
  expect(remote.failure?.evidence.http).toMatchObject({
    body: "no: [redacted]",
    headers: { "www-authenticate": 'Bearer realm="[redacted]"' },
  });
  const { rows } = await db.ownerPool.query("select report from mcp_server_tests where strpos(report, $1) > 0", [SECRET]);
  expect([JSON.stringify([stdio, remote]).includes(SECRET), rows]).toEqual([false, []]);
});

describe("launch_not_approved", () => {
  test.each(["designer", "operator", "viewer"] as const)(
    "nobody but an approver tests a launch that is not registered: %s",
    async (role) => {
      const p = await platform();
      const launch = hostile();
      await expect(p.call(routes.testMcpLaunch, { body: { launch } }, callerOf(db.tenantId, role))).rejects.toMatchObject({
        code: "launch_not_approved",
      });
      expect(p.audited.map(({ action, outcome, reason }) => [action, outcome, reason])).toContainEqual([
        "mcp_server.tested",
        "deny",
        "launch_not_approved",
      ]);
      expect(p.audited.filter(({ action }) => action === "mcp_process.starting")).toEqual([]);
      expect(await p.left()).toEqual([]);
    },
  );

  test("a registered server is tested when its launch is approved, and not before", async () => {
    const p = await platform();
    const server = await register(p, hostile(), callerOf(db.tenantId, "designer"));
    const before = await p.call(routes.testMcpServer, { params: { id: server.id } });
    expect(before).toMatchObject({ ok: false, failure: { code: "launch_not_approved", stage: "launch" } });
    expect(p.audited.filter(({ action }) => action === "mcp_process.starting")).toEqual([]);
    await p.call(routes.approveMcpLaunch, { params: { id: server.id } });
    const after = await p.call(routes.testMcpServer, { params: { id: server.id } });
    expect(after).toMatchObject({ ok: true, failure: null });
    const { items } = await p.call(routes.listMcpServerTests, { params: { id: server.id } });
    expect(items.slice(0, 2).map(({ id }) => id)).toEqual([after.id, before.id]);
  });
});
