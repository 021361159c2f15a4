import { z } from "zod";
import { ROUTES } from "#contract/routes.ts";
import type { Permission, Role } from "#contract/permissions.ts";
import { ROLE_PERMISSIONS } from "#contract/permissions.ts";
import type { RouteSpec } from "#contract/route.ts";

/** Sends one request and answers what came back; over `inject` or a socket alike. */
export type Send = (request: WalkRequest) => Promise<{ status: number; body: string }>;
export type WalkRequest = { method: RouteSpec["method"]; url: string; headers: Record<string, string>; payload?: string };

const ALL: readonly RouteSpec[] = Object.values(ROUTES);
/** Streams stay open when they are allowed; a walk with the right to read them must close them itself. */
export const isStream = (route: RouteSpec): boolean => route.stream === "sse";

/** A request that this route's own schemas accept; `id` stands for every path parameter that takes one. */
export function requestFor(route: RouteSpec, { token, id }: { token?: string; id: string }): WalkRequest {
  const path = route.path.replace(":id", id).replace(":version", "1").replaceAll(/:\w+/g, "some_name");
  const url = `${path}${queryFor(route)}`;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  if (route.body === undefined) return { method: route.method, url, headers };
  const schema = schemaOf(route.body);
  return {
    method: route.method,
    url,
    headers: { ...headers, "content-type": "application/json" },
    payload: JSON.stringify(sample(schema) ?? {}),
  };
}

/** What must be in the query, if anything. */
function queryFor({ query }: RouteSpec): string {
  const values = query === undefined ? {} : sample(schemaOf(query));
  const text = new URLSearchParams(z.record(z.string(), z.coerce.string()).parse(values)).toString();
  return text === "" ? "" : `?${text}`;
}

const schemaOf = (schema: z.ZodType) =>
  Schema.parse(JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }))));

/** Names of the routes that answer anything but 401 to somebody without credentials, except the public ones. */
export async function openToAnybody(send: Send, id: string): Promise<string[]> {
  const open: string[] = [];
  for (const route of ALL.filter(({ permission }) => permission !== "public")) {
    const { status } = await send(requestFor(route, { id }));
    if (status !== 401) open.push(`${route.name}: ${status}`);
  }
  return open;
}

/** Where a role may do other than the table of roles says. */
export async function wrongForRole(send: Send, { role, token, id }: { role: Role; token: string; id: string }): Promise<string[]> {
  const granted: ReadonlySet<string> = new Set<Permission>(ROLE_PERMISSIONS[role]);
  const wrong: string[] = [];
  for (const route of ALL) {
    const isAllowed = route.permission === "public" || route.permission === "signed_in" || granted.has(route.permission);
    if (isAllowed && isStream(route)) continue;
    const { status } = await send(requestFor(route, { token, id }));
    const isRefused = status === 403 || status === 401;
    if (isRefused === isAllowed) wrong.push(`${role} ${route.name}: ${status}`);
  }
  return wrong;
}

type Foreign = { token: string; foreignIds: readonly { path: string; id: string }[]; randomId: string };

/**
 * Where another tenant's record answers other than a record that does not exist. `foreignIds` name real records of the other
 * tenant by the beginning of their path, for example `/api/v1/runs`.
 */
export async function tellsForeignFromAbsent(send: Send, { token, foreignIds, randomId }: Foreign): Promise<string[]> {
  const told: string[] = [];
  for (const route of ALL.filter(({ path }) => path.includes(":id"))) {
    for (const { id } of foreignIds.filter(({ path }) => route.path.startsWith(`${path}/:id`))) {
      const foreign = await send(requestFor(route, { token, id }));
      const absent = await send(requestFor(route, { token, id: randomId }));
      const isHidden = foreign.status === 404 && anonymous(foreign.body, id) === anonymous(absent.body, randomId);
      if (!isHidden) told.push(`${route.name}: ${foreign.status} ${foreign.body.slice(0, 200)}`);
    }
  }
  return told;
}

const anonymous = (body: string, id: string): string => body.replaceAll(id, "<id>").replace(/"requestId":"[^"]*"/, "");

const Schema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  enum: z.array(z.json()).optional(),
  const: z.json().optional(),
  default: z.json().optional(),
  minLength: z.number().optional(),
  minimum: z.number().optional(),
  minItems: z.number().optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  $ref: z.string().optional(),
});

/** The smallest value that a schema of the contract accepts. */
function sample(value: unknown): z.core.util.JSONType {
  const schema = Schema.parse(value);
  const alternative = schema.anyOf?.[0] ?? schema.oneOf?.[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum?.[0] !== undefined) return schema.enum[0];
  if (schema.default !== undefined) return schema.default;
  if (alternative !== undefined) return sample(alternative);
  if (schema.$ref !== undefined) return "text";
  switch ((Array.isArray(schema.type) ? schema.type[0] : schema.type) ?? "string") {
    case "object":
      return Object.fromEntries((schema.required ?? []).map((name) => [name, sample(schema.properties?.[name] ?? {})]));
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items ?? {}));
    case "number":
    case "integer":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    default:
      return schema.format === "uri" ? "http://127.0.0.1:9/" : sampleText(schema.pattern, schema.minLength ?? 1);
  }
}

/** Patterns of the contract are names or hashes, which some number of `a` fits, or a role. */
function sampleText(pattern: string | undefined, minLength: number): string {
  const expected = new RegExp(pattern ?? "");
  const texts = [...[1, 16, 64].map((length) => "a".repeat(Math.max(length, minLength))), "role:owner"];
  const fitting = texts.find((text) => expected.test(text));
  return fitting ?? "a".repeat(minLength);
}
