import { z } from "zod";
import { LIMITS } from "./limits.ts";

/** Any JSON value. `undefined` never appears inside one. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export const Json: z.ZodType<Json> = z.json();

export const Id = z.uuid();
export const Time = z.iso.datetime();

/** Nodes, context keys and secrets are named like variables, so that expressions can reach them. */
export const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
export const Identifier = z.string().regex(IDENTIFIER, "expected a letter or _ followed by up to 63 letters, digits or _");

/** Servers and agents: lower-case slugs, stable in definitions and URLs. */
export const Slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "expected lower-case letters, digits, - or _, at most 63, not starting with - or _");

export const Name = z.string().trim().min(1).max(LIMITS.nameChars);
export const Description = z.string().max(LIMITS.descriptionChars);
export const Tags = z.array(z.string().min(1).max(LIMITS.tagChars)).max(LIMITS.tags);

/** Where a record belongs; part of the unique keys of servers, agents and secrets. */
export const Environment = z.enum(["production", "test"]);
export type Environment = z.infer<typeof Environment>;

export const IdParams = z.object({ id: Id });

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(LIMITS.pageItems).default(50).describe("The most that one page has."),
  cursor: z.string().max(512).optional().describe("`nextCursor` of the page before."),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** Newest first unless a route says otherwise. `nextCursor` is null on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: z.string().nullable() });
export type Page<T> = { items: T[]; nextCursor: string | null };
