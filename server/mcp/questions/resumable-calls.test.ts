import { expect, test } from "vitest";
import { createResumableCalls } from "./resumable-calls.ts";

test("a call whose caller has gone before it begins is given up at once", async () => {
  const call = createResumableCalls({ newId: () => "1", now: () => new Date() });
  const about = { tenantId: "t", principal: "p", toolId: "1", arguments: {} };
  const run = async (_ask: unknown, signal: AbortSignal): Promise<never> => {
    await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve())));
    throw new Error("given up");
  };
  await expect(call({ about, own: undefined, signal: AbortSignal.abort(), run }, undefined)).rejects.toThrow("given up");
});
