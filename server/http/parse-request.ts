import type { FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Issue } from "#contract/errors.ts";
import type { RouteSpec } from "#contract/route.ts";
import { AppError } from "#server/kernel/errors.ts";
import { requestInvalid } from "./problem.ts";
import { jsonPath, textProblem } from "./text.ts";

export type Parsed = { params: unknown; query: unknown; headers: unknown; body: unknown };

/** A function that checks everything a request brings with the route's schemas; built once per route. */
export function requestParser(route: RouteSpec): (request: FastifyRequest) => Parsed {
  // A parameter that cannot be anything's id names a thing that is not there, just like an id that nothing has.
  const refuseParams = route.errors.includes("not_found") ? notThere : requestInvalid;
  return (request) => ({
    params:
      route.params &&
      parsePart({ part: "params", schema: route.params, value: checkedText(request.params, "params"), refuse: refuseParams }),
    query:
      route.query && parsePart({ part: "query", schema: route.query, value: checkedText(request.query, "query"), refuse: requestInvalid }),
    headers: route.headers && parsePart({ part: "headers", schema: route.headers, value: request.headers, refuse: requestInvalid }),
    body: route.body && parsePart({ part: "body", schema: route.body, value: request.body, refuse: requestInvalid }),
  });
}

type Part = { part: string; schema: z.ZodType; value: unknown; refuse: (where: string, issues: readonly Issue[]) => AppError };

function parsePart({ part, schema, value, refuse }: Part): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuse(
    part,
    parsed.error.issues.map(({ path, message }) => ({ path: jsonPath([part, ...path]), message })),
  );
}

const notThere = (_: string, issues: readonly Issue[]): AppError => new AppError("not_found", "There is nothing with this id.", { issues });

/** Parameters and queries are text from anybody: each once, and fit to be stored. */
function checkedText(values: unknown, part: string): unknown {
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries(values ?? {})) {
    const message = textValueProblem(name, value);
    if (message) issues.push({ path: jsonPath([part, name]), message });
  }
  if (issues.length > 0) throw requestInvalid(part, issues);
  return values;
}

function textValueProblem(name: string, value: unknown): string | undefined {
  if (Array.isArray(value)) return "expected this parameter once";
  if (name.includes("[")) return "expected a plain name, without brackets";
  return textProblem(name) ?? (typeof value === "string" ? textProblem(value) : undefined);
}
