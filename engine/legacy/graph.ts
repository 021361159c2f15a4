/*
 * What four of the five old dialects have in common: steps that share one flat bag of values, and edges between them. Each
 * dialect's file reads its own shape into this; `compile-graph.ts` makes a definition of it.
 */
import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";

export type OldStep = {
  id: string;
  /** As it was written; in the definition's journal it shows as the label's node. */
  type: string;
  label: string;
  config: Fields;
  position?: { x: number; y: number };
};
/** `way` is the handle or, without one, the label by which the edge leaves. */
export type OldEdge = { id: string; source: string; target: string; way: string };
export type OldGraph = {
  name?: string;
  description?: string;
  steps: OldStep[];
  edges: OldEdge[];
  /** What the bag holds before the input is laid over it. */
  defaults: Fields;
};
export type Fields = { [key: string]: Json };

/** What became of an old definition. With issues there is none. */
export type Migrated = { definition: unknown; issues: Issue[]; warnings: Issue[] };

const Text = z.string().catch("");
const Words = z.string().optional().catch(undefined);
const Position = z.object({ x: z.number(), y: z.number() }).optional().catch(undefined);
const Id = z
  .union([z.string(), z.number().transform(String)])
  .optional()
  .catch(undefined);
const FieldsOf = z.record(z.string(), Json).catch({});

/** The shapes that are read; whatever else is in them is left alone. */
const OldNode = z.object({
  id: Id,
  type: Text,
  name: Words,
  label: Words,
  position: Position,
  data: FieldsOf,
  config: FieldsOf,
  connections: z.array(z.string()).catch([]),
});
/** What is no object has no type, and is refused for that. */
export const oldNode = (raw: Json): z.infer<typeof OldNode> => OldNode.parse(fieldsOf(raw) ?? {});
export const OldConnection = z.object({ id: Id, source: Text, target: Text, label: Words, sourceHandle: Words });
export const OldVariable = z.object({ name: z.string(), defaultValue: Json.optional() });
export const Named = z.object({ name: Words, description: Words });

export const edgeFrom = (raw: unknown, index: number): OldEdge => {
  const { id, source, target, label, sourceHandle } = OldConnection.catch({
    id: "",
    source: "",
    target: "",
    label: "",
    sourceHandle: "",
  }).parse(raw);
  return { id: id === undefined || id === "" ? `e${index}` : id, source, target, way: sourceHandle ?? label ?? "" };
};

export function defaultsOf(variables: unknown): Fields {
  const known = z.array(OldVariable).catch([]).parse(variables);
  return Object.fromEntries(known.flatMap(({ name, defaultValue }) => (defaultValue === undefined ? [] : [[name, defaultValue]])));
}

export function namesOf(document: Fields): Pick<OldGraph, "name" | "description"> {
  const { name, description } = Named.parse(document);
  return { ...(name !== undefined && { name }), ...(description !== undefined && { description }) };
}

export const placed = (position: OldStep["position"]): Pick<OldStep, "position"> =>
  position ? { position: { x: position.x, y: position.y } } : {};

export const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
/** Not a copy: what is in a JSON object is JSON. */
export const fieldsOf = (value: unknown): Fields | undefined => (isFields(value) ? value : undefined);
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
