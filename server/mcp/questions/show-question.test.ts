import { expect, test } from "vitest";
import type { ServerQuestion } from "#contract/mcp/questions.ts";
import { checkAnswer, findingsOf } from "./show-question.ts";

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

const OWN = "https://mcp.example.com/mcp";
test.each([
  ["https://mcp.example.com/login?state=1", OWN, []],
  ["https://MCP.example.com:443/login", OWN, []],
  ["https://evil.example/login", OWN, ["url: leads to evil.example, not to the server's own mcp.example.com"]],
  ["https://mcp.example.com.evil.example/", OWN, ["url: leads to mcp.example.com.evil.example, not to the server's own mcp.example.com"]],
  ["https://mcp.example.com:8443/", OWN, ["url: leads to mcp.example.com:8443, not to the server's own mcp.example.com"]],
  ["http://mcp.example.com/login", OWN, ["url: leads to http://mcp.example.com, not to the server's own https://mcp.example.com"]],
  ["https://login.example.com/", undefined, ["url: leads to login.example.com"]],
])("a page to open (M-16), %s of a server at %s, says where it leads", (url, own, findings) => {
  expect(findingsOf({ mode: "url", message: "Please visit", url, host: new URL(url).host }, own)).toEqual(findings);
});

test("a form has no finding that is about a page", () => {
  expect(findingsOf({ mode: "form", message: "?", requestedSchema: { type: "object", properties } }, OWN)).toEqual([]);
});
