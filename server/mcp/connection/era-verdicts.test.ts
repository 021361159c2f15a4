import { expect, test } from "vitest";
import type { ServerRecord, StoredVerdict } from "../registration/server-record.ts";
import { createEraVerdicts } from "./era-verdicts.ts";

const MINUTE = 60_000;
const START = Date.parse("2026-11-01T12:00:00.000Z");
const legacy = { era: "legacy", protocolVersion: "2025-11-25" } as const;

function server(era: StoredVerdict | null, launchHash = "h"): ServerRecord {
  const at = new Date(START);
  const rest = { approvedLaunchHash: "h", protocolVersion: null, serverVersion: null, lastError: null, pid: null, startedAt: null };
  const launch = { transport: "http" as const, url: "http://a.example/mcp", headers: {} };
  const flags = { catalogueTrusted: true, cataloguePinned: true, startsAsked: 0, restartsAsked: 0, restarts: 0 };
  const names = { id: "s", tenantId: "t", name: "n", description: "", createdBy: "user:1", createdAt: at, updatedAt: at };
  const wish = { environment: "production", desired: "running", state: "READY", settings: {} } as const;
  return Object.assign(Object.create(null), { ...names, ...wish, ...flags, ...rest, launch, launchHash, era });
}

test("a verdict is relied upon while it is young, of this launch, and has not failed", () => {
  let now = START;
  const verdicts = createEraVerdicts(() => new Date(now));
  expect(verdicts.opening(server(null))).toBe("auto");
  const found = verdicts.found(server(null), "auto", legacy);
  expect(found).toEqual({ ...legacy, decidedAt: "2026-11-01T12:00:00.000Z", launchHash: "h" });
  now += 30 * MINUTE;
  expect(verdicts.opening(server(found))).toBe("legacy");
  expect(verdicts.opening(server(found, "another"))).toBe("auto");
  // Relied upon, it keeps its date: else it would never get old.
  expect(verdicts.found(server(found), "legacy", legacy).decidedAt).toBe(found.decidedAt);
  verdicts.doubt(server(found));
  expect(verdicts.opening(server(found))).toBe("auto");
  now += 30 * MINUTE;
  expect(createEraVerdicts(() => new Date(now)).opening(server(found))).toBe("auto");
});

test("a server that ended on being asked is supposed to be of the 2025 era, and another process's younger verdict counts", () => {
  const verdicts = createEraVerdicts(() => new Date(START));
  verdicts.suppose(server(null));
  expect(verdicts.opening(server(null))).toBe("legacy");
  const modern = { era: "modern", protocolVersion: "2026-07-28", decidedAt: "2026-11-01T12:00:01.000Z", launchHash: "h" } as const;
  expect(verdicts.opening(server(modern))).toBe("auto");
});
