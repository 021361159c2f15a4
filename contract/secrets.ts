import { z } from "zod";
import { Environment, Identifier, PageQuery, Time, pageOf } from "./common.ts";
import { defineRoute } from "./route.ts";

/** What can be read of a secret: never its value. */
export const Secret = z.object({ name: Identifier, environment: Environment, createdAt: Time, updatedAt: Time });
export type Secret = z.infer<typeof Secret>;

const tag = "secrets";
export const listSecrets = defineRoute({
  name: "listSecrets",
  method: "GET",
  path: "/api/v1/secrets",
  summary: "List the names of secrets",
  tag,
  permission: "secret:read",
  query: PageQuery,
  response: pageOf(Secret),
  errors: ["cursor_invalid"],
});
export const putSecret = defineRoute({
  name: "putSecret",
  method: "PUT",
  path: "/api/v1/secrets/:name",
  summary: "Store or replace a secret; the value cannot be read back",
  tag,
  permission: "secret:write",
  params: z.object({ name: Identifier }),
  body: z.strictObject({ value: z.string().min(1).max(65_536), environment: Environment.default("production") }),
  response: Secret,
  errors: [],
});
export const deleteSecret = defineRoute({
  name: "deleteSecret",
  method: "DELETE",
  path: "/api/v1/secrets/:name",
  summary: "Delete a secret",
  tag,
  permission: "secret:write",
  params: z.object({ name: Identifier }),
  query: z.object({ environment: Environment.default("production") }),
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
