import { describe, expect, test } from "vitest";
import { assertBindAllowed, isLoopbackHost } from "./bind.ts";

describe("where the server may listen", () => {
  test.each(["127.0.0.1", "127.8.8.8", "localhost", "::1"])("on %s without accounts", (host) => {
    expect(isLoopbackHost(host)).toBe(true);
    expect(() => assertBindAllowed(host, { hasAccounts: false })).not.toThrow();
  });

  test.each(["0.0.0.0", "::", "192.168.1.2", "example.com", "127.0.0.1.evil.example", "localhost.evil.example"])(
    "on %s only with accounts",
    (host) => {
      expect(() => assertBindAllowed(host, { hasAccounts: false })).toThrow(expect.objectContaining({ code: "config_invalid" }));
      expect(() => assertBindAllowed(host, { hasAccounts: true })).not.toThrow();
    },
  );
});
