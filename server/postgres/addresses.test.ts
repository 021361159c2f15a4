import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { withDatabase, withLogin } from "./addresses.ts";

describe("addresses of databases", () => {
  test.each([
    ["postgresql://landlord:old@db.example:6432/app?sslmode=disable", { host: "db.example", port: 6432, database: "app" }],
    ["postgres:///app?host=/run/postgresql", { host: "/run/postgresql", port: 5432, database: "app" }],
  ])("take another login and keep the rest: %s", (url, expected) => {
    const { user, password, host, port, database } = new Client({ connectionString: withLogin(url, "auterity_api", "p@ss/w:rd%") });
    expect({ user, password, host, port, database }).toEqual({ user: "auterity_api", password: "p@ss/w:rd%", ...expected });
  });

  test("take another database and keep the rest", () => {
    expect(withDatabase("postgresql://a:b@h:1/x?sslmode=disable", "y")).toBe("postgresql://a:b@h:1/y?sslmode=disable");
  });

  test.each(["", "db.example", "http://db.example/app"])("refuse %j", (url) => {
    expect(() => withLogin(url, "auterity_api", "x")).toThrow(expect.objectContaining({ code: "config_invalid" }));
  });
});
