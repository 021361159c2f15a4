import { readFileSync } from "node:fs";
import { z } from "zod";
import { ROUTES } from "#contract/routes.ts";
import { openApiDocument } from "#server/http/index.ts";

export const OPENAPI_FILE = new URL("openapi.json", import.meta.url);

/** What `docs/openapi.json` must hold. */
export function openApiText(): string {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")));
  return `${JSON.stringify(openApiDocument(Object.values(ROUTES), version), null, 2)}\n`;
}
