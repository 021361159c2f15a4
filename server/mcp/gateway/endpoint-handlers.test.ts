import { expect, test } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import { createEndpointHandlers } from "./endpoint-handlers.ts";

test("a thousand endpoints have their handlers; one more takes the place of the one that was not used for longest", async () => {
  const handlers = createEndpointHandlers(() => undefined, silentLog);
  const made = Array.from({ length: 1_000 }, (_, i) => handlers.of(String(i)));
  expect(handlers.of("0")).toBe(made[0]);
  handlers.of("another");
  expect(handlers.of("0")).toBe(made[0]);
  expect(handlers.of("2")).toBe(made[2]);
  expect(handlers.of("1")).not.toBe(made[1]);
  await handlers.close();
});
