import { createSecretKey, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { copyJson } from "#contract/parse-json.ts";
import { newId } from "#server/kernel/ids.ts";
import { createRedactor, REDACTED } from "#server/secrets/redactor.ts";
import { createValueCodec } from "#server/secrets/value-codec.ts";
import { sealEvent } from "./events.ts";

const SECRETS = ["hunter2", 'quo"te\\d', "line\nbreak", "12345678", "schlüssel", "},{"];
const key = { id: newId(), key: createSecretKey(randomBytes(32)) };
const codec = createValueCodec({
  current: () => key,
  find: () => key.key,
  prepare: () => Promise.resolve(),
  deriveSecret: () => randomBytes(32),
});
const redactor = createRedactor();
for (const secret of SECRETS) redactor.track(secret);

const piece = fc.oneof(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom(...SECRETS, REDACTED, "\\", '"'));
const text = fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join(""));
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.oneof(fc.integer(), fc.constant(12_345_678), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(text, tie("value"), { maxKeys: 4 }),
  ),
}));

test.each([false, true])("what is stored and gone on with is the value redacted string by string (encrypted: %s)", (isConfidential) => {
  const run = { id: newId(), tenantId: newId(), nextSeq: 7, isConfidential };
  fc.assert(
    fc.property(value, (output) => {
      const draft = { kind: "step_succeeded", scope: "", nodeId: "a", attempt: 1, body: { output, handle: "success" } } as const;
      const sealed = sealEvent({ codec, redactor }, run, { draft, ahead: 0 });
      const expected: Json = redactor.json(copyJson(draft.body));
      expect(sealed.draft.body).toEqual(expected);
      const stored = codec.decode(sealed.row.body, { tenantId: run.tenantId, row: `run_journal/${run.id}/7` });
      expect(JSON.stringify(stored)).toBe(JSON.stringify(expected));
    }),
    { numRuns: 500 },
  );
});
