import type { z } from "zod";
import type { ErrorCode } from "./errors.ts";
import type { Permission } from "./permissions.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * A route as data: the single source of validation, REST handlers, OpenAPI, the typed client and the web app.
 * `path` is relative to the server's root with `:name` parameters. `stream` marks answers that are not one JSON
 * document: `sse` is text/event-stream, `text` is plain text, `ndjson` one JSON document per line, `cookie` is JSON that also sets the session cookie.
 */
export type RouteSpec = {
  readonly name: string;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly permission: Permission | "public" | "signed_in";
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType;
  /** A body as somebody would send it, for readers of the OpenAPI document. */
  readonly example?: { readonly [name: string]: unknown };
  /** The handler also gets the bytes of the body as they came, at most so many; for bodies that are signed. */
  readonly rawBody?: { readonly maxBytes: number };
  readonly response: z.ZodType;
  readonly status?: 200 | 201 | 202 | 204;
  readonly errors: readonly ErrorCode[];
  readonly stream?: "sse" | "text" | "ndjson" | "cookie";
  /** Other paths under which the same handler answers. */
  readonly aliases?: readonly string[];
};

type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
type In<T> = T extends z.ZodType ? z.input<T> : undefined;

/** What a handler receives after validation. */
export type RouteRequest<R extends RouteSpec> = {
  params: Out<R["params"]>;
  query: Out<R["query"]>;
  headers: Out<R["headers"]>;
  body: Out<R["body"]>;
};
/** What a client sends. */
export type RouteCall<R extends RouteSpec> = {
  params: In<R["params"]>;
  query: In<R["query"]>;
  headers: In<R["headers"]>;
  body: In<R["body"]>;
};
export type RouteResponse<R extends RouteSpec> = z.output<R["response"]>;

export const defineRoute = <const R extends RouteSpec>(route: R): R => route;
