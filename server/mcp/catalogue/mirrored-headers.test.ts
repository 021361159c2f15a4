import { expect, test } from "vitest";
import { KEPT_TOOLS, REFUSED_TOOLS } from "#test/support/mcp/header-tools-server.ts";
import { headerFault } from "./mirrored-headers.ts";
import { readTool } from "./tool-definition.ts";

test.each(Object.entries(REFUSED_TOOLS))("M-19 a tool that asks for a header like this is left out: %s", (name, inputSchema) => {
  expect(headerFault(inputSchema)).toMatch(/^x-mcp-header of /);
  expect(readTool({ name, inputSchema }, undefined)).toEqual({ refused: expect.stringContaining(`${name}: its x-mcp-header`) });
});

test.each(Object.entries(KEPT_TOOLS))("M-19 a tool that asks for headers as it may is kept: %s", (name, inputSchema) => {
  expect(headerFault(inputSchema)).toBeUndefined();
  expect(readTool({ name, inputSchema }, undefined)).toMatchObject({ name });
});

test("what is said of a header's name holds nothing that breaks a line", () => {
  expect(headerFault({ properties: { a: { type: "string", "x-mcp-header": "A\r\nB\u001B[2J" } } })).toBe(
    String.raw`x-mcp-header of a is no header's name: "A\r\nB\u001b[2J"`,
  );
});
