import { describe, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { Sandbox } from "./confinement.ts";

const hostsOf = (...hosts: string[]): unknown => Sandbox.parse({ network: { hosts } }).network;
const refusalOf = (network: unknown): string => {
  const issues = Sandbox.safeParse({ network }).error?.issues ?? [];
  return issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
};

const FORMS = 'network: expected "none", "all" or {"hosts": ["example.org", …]} with 1 to 64 hosts';

describe("the hosts of a sandbox", () => {
  test.each([
    ["example.org", "example.org"],
    ["API.Example.ORG:8443", "api.example.org:8443"],
    ["*.example.org", "*.example.org"],
    ["*.Example.org:443", "*.example.org:443"],
    ["localhost:9000", "localhost:9000"],
    ["_sip.my_host", "_sip.my_host"],
    ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de"],
    ["127.0.0.1:65535", "127.0.0.1:65535"],
    ["::1", "[::1]"],
    ["2001:DB8:0::1", "[2001:db8::1]"],
    ["[2001:db8:0:0::1]:8080", "[2001:db8::1]:8080"],
  ])("%s is kept as %s", (given, kept) => {
    expect(hostsOf(given)).toEqual({ hosts: [kept] });
    expect(hostsOf(kept)).toEqual({ hosts: [kept] });
  });

  test.each([
    ..."* *. *.org *.*.example.org *example.org a.*.org https://example.org example.org/path example.org: example.org:0".split(" "),
    ..."example.org:65536 example.org:https example.org. .example.org example..org user@example.org 127.1 0x7f.1 010.0.0.1".split(" "),
    ..."2130706433 256.1.1.1 *.127.0.0.1 [::1 ::1] [example.org] [fe80::1%eth0] 10.0.0.0/8 münchen.de example.org:80:80".split(" "),
    "",
    " example.org",
    "exa mple.org",
    "example.org\n",
    `${"a".repeat(64)}.org`,
    `${"a.".repeat(127)}org`,
  ])("%j is refused where it stands", (host) => {
    expect(refusalOf({ hosts: ["example.org", host] })).toMatch(/^network\.hosts\.1: (expected a host name in ASCII|Too)/);
  });

  test("at least one is named, and no more than may be", () => {
    expect(refusalOf({ hosts: [] })).toMatch(/^network\.hosts: Too small/);
    const hosts = Array.from({ length: LIMITS.mcpSandboxHosts + 1 }, (_, i) => `h${i}.example.org`);
    expect(refusalOf({ hosts })).toBe(FORMS);
    expect(refusalOf({ hosts: hosts.slice(1) })).toBe("");
  });

  test.each([["some"], [{}], [{ hosts: "example.org" }], [null], [["example.org"]]])(
    "anything else is told what is expected: %j",
    (network) => expect(refusalOf(network)).toBe(FORMS),
  );
});
