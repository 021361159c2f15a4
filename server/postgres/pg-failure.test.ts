import { describe, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { translatePgFailure } from "./pg-failure.ts";

const socketError = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });
const serverError = (code: string): Error =>
  Object.assign(new Error("said the server"), { code, severity: "ERROR", detail: "Key (name)=(secret)" });

describe("failures of the database driver", () => {
  test.each([
    ["a refused socket", socketError("ECONNREFUSED")],
    ["refused on every address of a name", new AggregateError([socketError("ECONNREFUSED"), socketError("ECONNREFUSED")])],
    ["a server that shuts down", serverError("57P01")],
    ["too many connections", serverError("53300")],
    ["a server that takes no writes", serverError("25006")],
  ])("are `database_unavailable` and retryable: %s", (_, error) => {
    expect(translatePgFailure(error)).toMatchObject({ code: "database_unavailable", retryable: true, cause: error });
  });

  test("are that too when the driver has only words for a lost connection", () => {
    expect(translatePgFailure(new Error("Connection terminated unexpectedly"), true)).toMatchObject({ code: "database_unavailable" });
  });

  test("stay what they are otherwise", () => {
    const bug = new TypeError("x is not a function");
    const known = new AppError("conflict", "Somebody was faster.");
    const unique = serverError("23505");
    expect([bug, known, unique].map((error) => translatePgFailure(error))).toEqual([bug, known, unique]);
    expect(unique).toMatchObject({ code: "23505", detail: undefined });
  });
});
