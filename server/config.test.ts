import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { editDistance, maskedConfig, PROJECT_DIR, readConfig } from "./config.ts";

describe("readConfig", () => {
  test("has a default for everything", () => {
    expect(readConfig({})).toMatchObject({
      host: "127.0.0.1",
      port: 4600,
      dataDir: join(PROJECT_DIR, ".auterity"),
      databaseUrl: undefined,
      warnings: [],
    });
  });

  test("names every wrong setting at once", () => {
    const read = () => readConfig({ AUTERITY_PORT: "many", DATABASE_URL: "mysql://x" });
    expect(read).toThrow(/AUTERITY_PORT.*DATABASE_URL/);
  });

  test("warns of an unknown name with the nearest known one", () => {
    expect(readConfig({ AUTERITY_PROT: "1" }).warnings).toEqual(["AUTERITY_PROT is not a setting; the nearest is AUTERITY_PORT."]);
  });

  test("says that Redis is not used", () => {
    expect(readConfig({ REDIS_URL: "redis://127.0.0.1" }).warnings).toHaveLength(1);
  });

  test("treats an empty value as not set", () => {
    expect(readConfig({ AUTERITY_PORT: "", DATABASE_URL: "" })).toMatchObject({ port: 4600, databaseUrl: undefined });
  });

  test("reads a secret from the file that <NAME>_FILE names", () => {
    const dir = mkdtempSync(join(tmpdir(), "auterity-config-"));
    writeFileSync(join(dir, "token"), "a-long-enough-token\n");
    expect(readConfig({ AUTERITY_BOOTSTRAP_TOKEN_FILE: join(dir, "token") }).bootstrapToken).toBe("a-long-enough-token");
    rmSync(dir, { recursive: true });
    expect(() => readConfig({ AUTERITY_BOOTSTRAP_TOKEN_FILE: join(dir, "token") })).toThrow(/cannot read/);
  });

  test("masks secrets", () => {
    const config = readConfig({
      AUTERITY_BOOTSTRAP_TOKEN: "very-secret-token-1",
      DATABASE_URL: "postgres://u:hidden@db:5432/x",
      OPENAI_API_KEY: "sk-hidden",
    });
    expect(JSON.stringify(maskedConfig(config))).not.toMatch(/very-secret|hidden/);
    expect(maskedConfig(config)).toMatchObject({ bootstrapToken: "set", database: "db:5432" });
  });
});

describe("editDistance", () => {
  test.each([
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["same", "same", 0],
  ])("%s to %s is %i", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));
});
