import { expect, test } from "vitest";
import type { ServerQuestion } from "#contract/mcp/questions.ts";
import { checkAnswer } from "./show-question.ts";

const properties = { name: { type: "string" } };

test.each([
  ["refers to what is not there", { $ref: "elsewhere" }],
  ["is written wrongly", { allOf: "x" }],
  ["bounds its names by a number", { propertyNames: 3 }],
])("a form that %s cannot be accepted, only declined, and is the server's fault", (_name, rules) => {
  const question: ServerQuestion = { mode: "form", message: "?", requestedSchema: { type: "object", properties, ...rules } };
  const refused = expect.objectContaining({ code: "mcp_protocol_error", message: expect.stringContaining("The form of the question") });
  expect(() => checkAnswer(question, { action: "accept", content: { name: "anna" } })).toThrow(refused);
  expect(() => checkAnswer(question, { action: "decline" })).not.toThrow();
});
