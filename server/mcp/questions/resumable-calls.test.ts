import { expect, test } from "vitest";
import type { Ask } from "../connection/open-call.ts";
import { createRedactor } from "#server/secrets/index.ts";
import { createResumableCalls } from "./resumable-calls.ts";

test("a call whose caller has gone before it begins is given up at once", async () => {
  const call = createResumableCalls({ newId: () => "1", now: () => new Date(), redactor: createRedactor() });
  const about = { tenantId: "t", principal: "p", toolId: "1", arguments: {} };
  const run = async (_ask: unknown, signal: AbortSignal): Promise<never> => {
    await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve())));
    throw new Error("given up");
  };
  await expect(call({ about, own: undefined, signal: AbortSignal.abort(), run }, undefined)).rejects.toThrow("given up");
});

test("what the server asks tells the caller none of its secrets", async () => {
  const redactor = createRedactor();
  redactor.track("s3cret-of-the-server");
  const call = createResumableCalls({ newId: () => "1", now: () => new Date(), redactor });
  const about = { tenantId: "t", principal: "p", toolId: "1", arguments: {} };
  const title = "not s3cret-of-the-server";
  const requestedSchema = { type: "object" as const, properties: { name: { type: "string" as const, title } } };
  const run = async (ask: Ask, signal: AbortSignal): Promise<never> => {
    await ask({ who: { message: "I am s3cret-of-the-server. And you?", requestedSchema } }, signal);
    throw new Error("answered");
  };
  const asked = call({ about, own: undefined, signal: new AbortController().signal, run }, undefined);
  const who = { message: "I am [redacted]. And you?", requestedSchema: { properties: { name: { title: "not [redacted]" } } } };
  await expect(asked).rejects.toMatchObject({ code: "mcp_input_required", input: { questions: { who } } });
});
