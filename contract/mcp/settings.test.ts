import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { ServerSettings } from "./settings.ts";

const hostsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `h${i}.example.org`);
const said = (elicitation: unknown): string | undefined => {
  const { error } = ServerSettings.safeParse({ elicitation });
  const [issue] = error?.issues ?? [];
  return issue && `${issue.path.join(".")}: ${issue.message}`;
};

test.each([
  true,
  false,
  { hosts: [] },
  { hosts: ["example.org", "*.example.com:8443", "10.0.0.7"] },
  { hosts: hostsOf(LIMITS.mcpQuestionHosts) },
])("a server may ask people questions as %j says", (elicitation) => {
  expect(ServerSettings.parse({ elicitation })).toEqual({ elicitation });
});

test("hosts are kept as addresses have them", () => {
  expect(ServerSettings.parse({ elicitation: { hosts: ["Login.Example.ORG", "::1"] } })).toEqual({
    elicitation: { hosts: ["login.example.org", "[::1]"] },
  });
});

test.each([["no"], [{ host: ["example.org"] }], [{ hosts: "example.org" }]])("%j says nothing about that", (elicitation) => {
  expect(said(elicitation)).toMatch(/^elicitation: expected true, false or \{"hosts"/);
});

test.each(["https://example.org", "example.org/login", "*", "*.org", "me@example.org", "exämple.org", ""])("%j is no host", (host) => {
  expect(said({ hosts: [host] })).toMatch(/^elicitation/);
});

test("more hosts than a person would read are refused", () => {
  expect(said({ hosts: hostsOf(LIMITS.mcpQuestionHosts + 1) })).toMatch(/^elicitation.*64/);
});
