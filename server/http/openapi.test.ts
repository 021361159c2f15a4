import { Ajv2020 } from "ajv/dist/2020.js";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { isErrorCode } from "#contract/errors.ts";
import type { RouteSpec } from "#contract/route.ts";
import { ROUTES } from "#contract/routes.ts";
import { openApiDocument } from "./openapi.ts";

const Operation = z.object({
  operationId: z.string(),
  "x-permission": z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z
    .array(z.object({ name: z.string(), in: z.enum(["path", "query", "header"]), required: z.boolean(), schema: z.looseObject({}) }))
    .default([]),
  requestBody: z.object({ required: z.boolean() }).optional(),
  responses: z.record(z.string().regex(/^\d{3}$/), z.looseObject({ description: z.string(), "x-codes": z.array(z.string()).optional() })),
});
const Document = z.object({
  openapi: z.literal("3.1.0"),
  paths: z.record(
    z.string(),
    z
      .record(z.enum(["get", "post", "put", "patch", "delete"]), Operation)
      .or(z.partialRecord(z.enum(["get", "post", "put", "patch", "delete"]), Operation)),
  ),
  components: z.object({ schemas: z.record(z.string().regex(/^[A-Za-z0-9]+$/), z.looseObject({})), securitySchemes: z.looseObject({}) }),
});

describe("the OpenAPI document", () => {
  const raw = openApiDocument(Object.values(ROUTES), "1.2.3");
  let document: z.infer<typeof Document>;
  beforeAll(() => {
    document = Document.parse(raw);
  });
  const operations = () => Object.values(document.paths).flatMap((path) => Object.values(path));

  test("has every route once, with its permission", () => {
    expect(
      operations()
        .map(({ operationId }) => operationId)
        .sort(),
    ).toEqual(Object.keys(ROUTES).sort());
    const byId = new Map(operations().map((operation) => [operation.operationId, operation]));
    for (const route of Object.values(ROUTES)) expect(byId.get(route.name)?.["x-permission"]).toBe(route.permission);
    expect(byId.get("healthz")?.security).toEqual([]);
    expect(byId.get("getRun")?.security).not.toEqual([]);
  });

  test("names every parameter of a path", () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "").toSorted((a, b) => a.localeCompare(b));
      for (const { parameters } of Object.values(methods)) {
        expect(
          parameters
            .filter((p) => p.in === "path")
            .map((p) => p.name)
            .sort(),
        ).toEqual(inPath);
      }
    }
  });

  test("lists the errors of each route under their statuses", () => {
    const problems = operations().flatMap(({ responses }) => Object.entries(responses).filter(([status]) => Number(status) >= 400));
    expect(problems.length).toBeGreaterThan(100);
    expect(problems.filter(([, { "x-codes": codes }]) => !codes?.every(isErrorCode))).toEqual([]);
  });

  test("refers only to components that exist, and all of them are valid JSON Schemas", () => {
    const refs = new Set([...JSON.stringify(raw).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1] ?? ""));
    expect([...refs].sort()).toEqual(Object.keys(document.components.schemas).sort());
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const inDefs: unknown = JSON.parse(JSON.stringify(document.components.schemas).replaceAll("#/components/schemas/", "#/$defs/"));
    ajv.addSchema({ $id: "all", $defs: inDefs });
    for (const name of Object.keys(document.components.schemas)) {
      expect(() => ajv.compile({ $ref: `all#/$defs/${name}` })).not.toThrow();
    }
  });

  test("shows bodies that fit, one for each route of MCP servers and their tools that takes one", () => {
    for (const { name, body, example } of Object.values<RouteSpec>(ROUTES)) {
      if (example !== undefined) expect([name, body?.safeParse(example).error?.issues]).toEqual([name, undefined]);
    }
    const isMcp = (tag: string, path: string): boolean =>
      tag === "mcp-servers" || tag === "tools" || /^\/api\/v1\/(mcp-|frames)/.test(path);
    const without = Object.values<RouteSpec>(ROUTES).filter(({ tag, path, body, example }) => isMcp(tag, path) && body && !example);
    expect(without.map(({ name }) => name)).toEqual([]);
    expect(raw).toHaveProperty(["paths", "/api/v1/tools/{id}/call", "post", "requestBody", "content", "application/json", "example"]);
  });

  test("says when a body may be missing", () => {
    expect(document.paths["/api/v1/runs/{id}/cancel"]?.post?.requestBody?.required).toBe(false);
    expect(document.paths["/api/v1/workflows"]?.post?.requestBody?.required).toBe(true);
  });
});
