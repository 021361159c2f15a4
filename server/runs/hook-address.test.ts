import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { createHookAddresses } from "./hook-address.ts";

const hooks = createHookAddresses({ key: randomBytes(32), baseUrl: () => "http://127.0.0.1:4600" });
const runId = newId();
const id = `${hooks.urlOf(runId).split("/").at(-1) ?? ""}.payment`;

describe("hook addresses", () => {
  test("are read back", () => {
    expect(hooks.read(id)).toEqual({ runId, nodeId: "payment", scope: "" });
    expect(hooks.read(`${id}~/each[3]`)).toEqual({ runId, nodeId: "payment", scope: "/each[3]" });
  });

  test.each([
    ["another run's token", id.replace(runId, newId())],
    ["no token", `${runId}.payment`],
    ["a changed token", id.replace(/\.(.)/, (_all, digit: string) => (digit === "0" ? ".1" : ".0"))],
    ["no node", id.replace(".payment", "")],
    ["a node with a slash", `${id}/x`],
    ["nothing", ""],
  ])("%s is refused", (_name, wrong) => {
    expect(hooks.read(wrong)).toBeUndefined();
  });

  test("another key knows none of them", () => {
    expect(createHookAddresses({ key: randomBytes(32), baseUrl: () => "" }).read(id)).toBeUndefined();
  });
});
