import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { validate } from "../validate.ts";

const word = fc.constantFrom("a", "b", "c", "1", "", "start", "__proto__", "constructor");
const type = fc.constantFrom(
  "start",
  "end",
  "ai",
  "input",
  "process",
  "output",
  "condition",
  "data_validation",
  "email",
  "lead_qualification",
  "magic",
);
const odd = fc.jsonValue({ maxDepth: 2 });
const text = fc.constantFrom("Say {a}", "{{a.b}} and {{ c }}", "= {{", "\\{{x}}", "a > 3", "a = 'b'", "}}{{", "");
const config = fc.dictionary(
  fc.constantFrom(
    "prompt",
    "field",
    "operation",
    "format",
    "condition",
    "conditions",
    "output_key",
    "validation_schema",
    "config",
    "label",
    "data",
    "rules",
  ),
  fc.oneof(text, word, odd, fc.constant([{ field: "a", operator: "greater_than", value: 1 }])),
);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ id: word, type, name: text, data: config, config, input: config, depends_on: fc.oneof(word, fc.array(word)) }),
  },
  { weight: 1, arbitrary: odd },
);
const edge = fc.oneof(
  { weight: 12, arbitrary: fc.record({ id: word, source: word, target: word, label: fc.constantFrom("yes", "No", "Hot") }) },
  { weight: 1, arbitrary: odd },
);
const few = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 5 });

const document = fc.oneof(
  fc.record({ nodes: few(step), edges: few(edge) }),
  fc.record({ steps: few(step), connections: few(edge), variables: fc.oneof(odd, fc.constant([{ name: "a", defaultValue: "=1" }])) }),
  fc.record({ steps: few(step) }),
  fc.record({ steps: fc.dictionary(word, step) }),
  fc.record({ nodes: few(fc.record({ id: word, type, connections: few(word), config })) }),
  fc.record({ name: text, definition: odd }),
);

describe("any document that looks like an old definition", { timeout: 60_000 }, () => {
  test("is either a definition of today, the same every time, or refused with reasons", () => {
    let accepted = 0;
    fc.assert(
      fc.property(document, (old) => {
        const checked = validate(old);
        expect(validate(structuredClone(old))).toEqual(checked);
        if (checked.valid) {
          accepted += 1;
          expect(validate(checked.definition)).toMatchObject({ valid: true, isOld: false });
        } else expect(checked.issues.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(30);
  });

  test("that was read is never refused for what was made of it", () => {
    fc.assert(
      fc.property(few(fc.record({ type, data: config, config })), (steps) => {
        const checked = validate({ steps });
        const made = checked.issues.filter(({ path }) => path !== "");
        expect(made).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
