import { z } from "zod";
import { Problem, REMEDY, type ErrorCode } from "#contract/errors.ts";
import type { RouteSpec } from "#contract/route.ts";
import { componentSchemas, type ComponentSchemas, type SchemaObject } from "./component-schemas.ts";
import { HTTP_STATUS } from "./problem.ts";

/** The OpenAPI 3.1 description of these routes. Nothing in it is written by hand. */
export function openApiDocument(routes: readonly RouteSpec[], version: string): SchemaObject {
  const schemas = componentSchemas({
    inputs: routes.flatMap(sentWith),
    outputs: [Problem, ...routes.map(({ response }) => response)],
  });
  const paths: { [path: string]: SchemaObject } = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Auterity",
      version,
      summary: "Self-hosted multi-agent orchestration",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.used(),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API token." },
        session: { type: "apiKey", in: "cookie", name: "auterity_session", description: "What a sign-in link is exchanged for." },
      },
    },
  };
}

const sentWith = ({ params, query, headers, body }: RouteSpec): z.ZodType[] =>
  [params, query, headers, body].filter((schema) => schema !== undefined);

function operation(route: RouteSpec, schemas: ComponentSchemas): SchemaObject {
  const parameters = [
    ...parametersIn("path", route.params, schemas),
    ...parametersIn("query", route.query, schemas),
    ...parametersIn("header", route.headers, schemas),
  ];
  return {
    operationId: route.name,
    summary: route.summary,
    tags: [route.tag],
    "x-permission": route.permission,
    security: route.permission === "public" ? [] : [{ bearer: [] }, { session: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse(undefined).success,
        content: {
          "application/json": { schema: schemas.input(route.body), ...(route.example && { example: Example.parse(route.example) }) },
        },
      },
    }),
    responses: { [String(route.status ?? 200)]: success(route, schemas), ...problems(route, schemas) },
  };
}

const Example = z.record(z.string(), z.json());

function parametersIn(place: "path" | "query" | "header", schema: z.ZodType | undefined, schemas: ComponentSchemas): SchemaObject[] {
  if (schema === undefined) return [];
  const whole = Whole.parse(schemas.inputInline(schema));
  return Object.entries(whole.properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || whole.required.includes(name),
    schema: property,
  }));
}
const Whole = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.json())),
  required: z.array(z.string()).default([]),
});

function success(route: RouteSpec, schemas: ComponentSchemas): SchemaObject {
  if (route.status === 204) return { description: "Done" };
  const text = { schema: { type: "string" } };
  if (route.stream === "text") return { description: "Text", content: { "text/plain": text } };
  if (route.stream === "ndjson") return { description: "One JSON document per line", content: { "application/x-ndjson": text } };
  // A response that is more than a string beside a stream is what comes when the client does not ask for a stream.
  const json = { "application/json": { schema: schemas.output(route.response) } };
  const isOnlyStream = route.response instanceof z.ZodString;
  if (route.stream === "sse") {
    return { description: "Server-sent events", content: { "text/event-stream": text, ...(!isOnlyStream && json) } };
  }
  return { description: "Success", content: json };
}

function problems(route: RouteSpec, schemas: ComponentSchemas): SchemaObject {
  const byStatus = Map.groupBy(new Set([...route.errors, ...impliedErrors(route)]), (code) => HTTP_STATUS[code]);
  const content = { "application/problem+json": { schema: schemas.output(Problem) } };
  const entries = [...byStatus].map(([status, codes]) => {
    const sorted = [...codes].sort();
    const description = sorted.map((code) => `\`${code}\`: ${REMEDY[code]}`).join("\n");
    return [String(status), { description, content, "x-codes": sorted }] as const;
  });
  return Object.fromEntries(entries);
}

/** Errors that every route of a kind can answer without naming them. */
function impliedErrors(route: RouteSpec): ErrorCode[] {
  const implied: ErrorCode[] = ["origin_refused", "rate_limited"];
  if (route.permission !== "public") implied.push("unauthenticated");
  if (route.permission !== "public" && route.permission !== "signed_in") implied.push("permission_denied");
  if (route.params ?? route.query ?? route.headers ?? route.body) implied.push("request_invalid");
  if (route.body) implied.push("body_malformed", "body_too_large", "body_too_deep", "content_type_unsupported");
  return implied;
}
