import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Verification } from "#contract/triggers.ts";
import { callBudget } from "./call-budget.ts";
import { prove, signedHeaders } from "./signature.ts";

const SECRET = "a-secret-of-32-characters-or-so-";
const BODY = '{"hello":"wörld"}';
const NOW = Date.UTC(2026, 4, 1);
const seconds = NOW / 1_000;
const ours = Verification.parse({ kind: "hmac" });
const github = Verification.parse({ kind: "hmac", header: "x-hub-signature-256", prefix: "sha256=", timestampHeader: null });
const shopify = Verification.parse({
  kind: "hmac",
  header: "x-shopify-hmac-sha256",
  prefix: "",
  encoding: "base64",
  timestampHeader: null,
});
const token = Verification.parse({ kind: "token" });

const check = (verification: Verification, headers: Record<string, unknown>, { body = BODY, nowMs = NOW } = {}) =>
  prove(verification, SECRET, { headers, body: Buffer.from(body), nowMs });
const refused = (code: string) => expect.objectContaining({ code });
const signed = (timestamp: number = seconds) => signedHeaders(BODY, { secret: SECRET, timestamp, delivery: "d1" });

describe("a signature", () => {
  test("in the platform's scheme is HMAC-SHA256 over timestamp, dot and body", () => {
    const expected = createHmac("sha256", SECRET).update(`${seconds}.${BODY}`).digest("hex");
    expect(signed()).toEqual({
      "x-auterity-timestamp": String(seconds),
      "x-auterity-signature": `v1=${expected}`,
      "x-auterity-delivery": "d1",
    });
    expect(check(ours, signed()).signature?.toString("hex")).toBe(expected);
  });

  test("as GitHub signs is over the body alone: its own documented example", () => {
    const headers = { "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" };
    const received = { headers, body: Buffer.from("Hello, World!"), nowMs: NOW };
    expect(prove(github, "It's a Secret to Everybody", received).signature).toHaveLength(32);
  });

  test("may be written in base64", () => {
    const given = createHmac("sha256", SECRET).update(BODY).digest("base64");
    expect(check(shopify, { "x-shopify-hmac-sha256": given }).signature).toHaveLength(32);
  });

  test.each<[string, Verification, Record<string, unknown>]>([
    ["that is missing", ours, {}],
    ["without its timestamp", ours, { "x-auterity-signature": signed()["x-auterity-signature"] }],
    ["with a timestamp that is none", ours, { ...signed(), "x-auterity-timestamp": "yesterday" }],
    ["with another timestamp than was signed", ours, { ...signed(), "x-auterity-timestamp": String(seconds + 1) }],
    ["without its prefix", ours, { ...signed(), "x-auterity-signature": signed()["x-auterity-signature"].slice(3) }],
    ["that was cut short", ours, { ...signed(), "x-auterity-signature": signed()["x-auterity-signature"].slice(0, -2) }],
    ["that is no hex", ours, { ...signed(), "x-auterity-signature": `v1=${"z".repeat(64)}` }],
    ["that is empty", ours, { ...signed(), "x-auterity-signature": "v1=" }],
    ["sent twice", ours, { ...signed(), "x-auterity-signature": [signed()["x-auterity-signature"], "v1=00"] }],
    ["in another scheme", github, { ...signed() }],
    ["for a token", token, { ...signed() }],
  ])("%s is refused", (_, verification, headers) => {
    expect(() => check(verification, headers)).toThrow(refused("webhook_signature_invalid"));
  });

  test("of another body, or with another secret, is refused", () => {
    expect(() => check(ours, signed(), { body: `${BODY} ` })).toThrow(refused("webhook_signature_invalid"));
    const other = signedHeaders(BODY, { secret: `${SECRET}x`, timestamp: seconds, delivery: "d1" });
    expect(() => check(ours, other)).toThrow(refused("webhook_signature_invalid"));
  });

  test.each([
    [299, true],
    [300, true],
    [301, false],
    [-300, true],
    [-301, false],
  ])("that is %i s old: accepted is %s", (age, isAccepted) => {
    const attempt = () => check(ours, signed(seconds - age));
    if (isAccepted) expect(attempt()).toBeDefined();
    else expect(attempt).toThrow(refused("webhook_replayed"));
  });

  test("may name its time in milliseconds", () => {
    expect(check(ours, signed(NOW - 1_000))).toBeDefined();
    expect(() => check(ours, signed(NOW - 301_000))).toThrow(refused("webhook_replayed"));
  });
});

describe("a token", () => {
  test("is accepted in its header, also as a bearer token", () => {
    expect(check(token, { "x-auterity-token": SECRET })).toEqual({ signature: null });
    expect(check(Verification.parse({ kind: "token", header: "authorization" }), { authorization: `Bearer ${SECRET}` })).toEqual({
      signature: null,
    });
  });
  test.each(["", "x", `${SECRET}x`, SECRET.slice(1), undefined])("is refused when it is %j", (given) => {
    expect(() => check(token, { "x-auterity-token": given })).toThrow(refused("webhook_signature_invalid"));
  });
});

test("a webhook takes so many calls a minute and no more, and then again", () => {
  const spend = callBudget(2);
  spend("a", 0);
  spend("a", 1);
  spend("b", 1);
  expect(() => spend("a", 2)).toThrow(refused("rate_limited"));
  spend("a", 60_001);
});
