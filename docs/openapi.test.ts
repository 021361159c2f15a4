import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPENAPI_FILE, openApiText } from "./openapi-file.ts";

test("docs/openapi.json is what the route table says; `npm run docs` writes it again", () => {
  expect(readFileSync(OPENAPI_FILE, "utf8") === openApiText()).toBe(true);
});
