import { describe, expect, test } from "vitest";
import { silentLog } from "./log.ts";
import { Teardown } from "./teardown.ts";

describe("Teardown", () => {
  test("stops in the opposite order, once, and goes on after a failure", async () => {
    const stopped: string[] = [];
    const errors: string[] = [];
    const teardown = new Teardown({ ...silentLog, error: (message) => void errors.push(message) });
    for (const name of ["database", "broken", "http"]) {
      teardown.add(name, async () => {
        if (name === "broken") throw new Error("no");
        stopped.push(name);
      });
    }
    await Promise.all([teardown.close(), teardown.close()]);
    expect(stopped).toEqual(["http", "database"]);
    expect(errors).toEqual(["stopping broken failed"]);
  });

  test("leaves behind what takes longer than its patience, and says so", async () => {
    const errors: string[] = [];
    const stopped: string[] = [];
    const teardown = new Teardown({ ...silentLog, error: (message) => void errors.push(message) });
    teardown.add("processes", () => void stopped.push("processes"), 1_000);
    teardown.add("runs", () => new Promise(() => {}), 1);
    await teardown.close();
    expect({ stopped, errors }).toEqual({ stopped: ["processes"], errors: ["stopping runs takes longer than 1 ms; it is left behind"] });
  });
});
