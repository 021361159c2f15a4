import { describe, expect, test } from "vitest";
import { exposedName, exposedUri, splitName, splitUri } from "./names.ts";

describe("names at the gateway", () => {
  test.each([
    ["everything", "echo", "everything__echo"],
    ["a", "b__c", "a__b__c"],
    ["a__b", "c", "aZZb__c"],
    ["a_", "x", "aZ__x"],
    ["a", "_x", "a___x"],
    ["files", "read.it-now", "files__read.it-now"],
  ])("%s and %s make %s, and back", (server, own, name) => {
    expect(exposedName(server, own)).toBe(name);
    expect(splitName(name)).toEqual({ server, rest: own });
  });

  test.each([["read/it"], ["a b"], ["ü"], ["x".repeat(128)], ["x.0123456789abcdef"], [""]])(
    "%j gets a hash, stays within 128 portable characters and keeps its server",
    (own) => {
      const name = exposedName("s".repeat(63), own);
      expect(name).toMatch(/^[A-Za-z0-9_.-]{1,128}$/);
      expect(name).toMatch(/\.[0-9a-f]{16}$/);
      expect(splitName(name)?.server).toBe("s".repeat(63));
    },
  );

  test("no two of many awkward pairs make the same name", () => {
    const servers = ["a", "a_", "a__b", "a_b", "az", "a-b", "a__b_", "b"];
    const tools = [
      "b__c",
      "c",
      "_c",
      "__c",
      "b/c",
      "b:c",
      "b.c",
      "Z",
      "ZZ",
      "Zb__c",
      ".0123456789abcdef",
      "x".repeat(127),
      "x".repeat(126),
    ];
    const names = servers.flatMap((server) => tools.map((tool) => exposedName(server, tool)));
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(names.map((name) => splitName(name)?.server))).toEqual(new Set(servers));
  });

  test.each([["echo"], ["__echo"], [""]])("%j belongs to no server", (name) => {
    expect(splitName(name)).toBeUndefined();
  });
});

describe("URIs at the gateway", () => {
  test.each([
    ["everything", "test://static/1?x=1#y"],
    ["a__b", "file:///etc/passwd"],
    ["files", "test://{id}/{+path}"],
    ["files", ""],
  ])("%s and %s go there and back", (server, own) => {
    expect(splitUri(exposedUri(server, own))).toEqual({ server, own });
  });

  test.each([["test://static/1"], ["auterity:nothing"], ["auterityx:a/b"]])("%s belongs to no server", (uri) => {
    expect(splitUri(uri)).toBeUndefined();
  });
});
