/*
 * Old definitions. Each version of the form has one migration to the next: a document is taken through all that lie between its
 * own and today's. They are pure and never change what they make of a document: a live run's version is migrated anew whenever
 * it is loaded, and must be the same definition every time (`golden/` proves it).
 */
import { NODE_TYPES } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { copyJson } from "#contract/parse-json.ts";
import { compileDependencies } from "./compile-dependencies.ts";
import { compileGraph } from "./compile-graph.ts";
import { readConnectedNodes, readList, readNodesAndEdges, readStepsAndConnections } from "./dialects.ts";
import { fieldsOf, type Fields, type Migrated } from "./graph.ts";

export type Current = Migrated & {
  /** The version in which the document was written. */
  from: number;
};

const CURRENT = 2;
const MIGRATIONS: ReadonlyMap<number, (document: Fields) => Migrated> = new Map([[1, fromVersion1]]);

/** The document in today's form; as it is when nothing is known of it, which `validate` then says. Never throws. */
export function migrate(document: unknown): Current {
  const fields = fieldsOf(document);
  const given = fields && unwrapped(fields);
  const from = given ? versionOf(given) : undefined;
  const warnings: Issue[] = [];
  if (!given || from === undefined || from >= CURRENT) return { definition: document, from: CURRENT, issues: [], warnings };
  let current: Fields = given;
  for (let version = from; version < CURRENT; version += 1) {
    const done = MIGRATIONS.get(version)?.(current) ?? { definition: current, issues: [], warnings: [] };
    warnings.push(...done.warnings);
    if (done.issues.length > 0) return { ...done, from, warnings };
    current = fieldsOf(copyJson(done.definition)) ?? {};
  }
  return { definition: current, from, issues: [], warnings };
}

/** The old API's `{name, description, definition}`. */
function unwrapped(document: Fields): Fields {
  const inner = fieldsOf(document["definition"]);
  if (!inner || "nodes" in document || "steps" in document) return document;
  const { name, description } = document;
  return { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...inner };
}

type Dialect = "nodes_and_edges" | "connected_nodes" | "steps_and_connections" | "list" | "dependencies";

/**
 * Told by the shape: what old documents call `version` counts the author's changes. Those of nodes and edges had none, and none
 * of the types that came with version 2, without which they would be taken for documents of today that forgot to say so.
 */
function dialectOf(document: Fields): Dialect | undefined {
  const { nodes, edges, steps, version } = document;
  if (nodes === undefined && steps !== undefined) {
    if (!Array.isArray(steps)) return fieldsOf(steps) && "dependencies";
    return Array.isArray(document["connections"]) ? "steps_and_connections" : "list";
  }
  if (!Array.isArray(nodes)) return undefined;
  if (edges === undefined) return nodes.some((node) => Array.isArray(fieldsOf(node)?.["connections"])) ? "connected_nodes" : undefined;
  const isOld = (version === undefined || version === 1) && nodes.length > 0;
  return isOld && Array.isArray(edges) && !nodes.some(isOfToday) ? "nodes_and_edges" : undefined;
}

const SHARED_TYPES: ReadonlySet<string> = new Set(["start", "end"]);
function isOfToday(node: unknown): boolean {
  const { type, data } = fieldsOf(node) ?? {};
  if (type === "condition") return fieldsOf(data)?.["when"] !== undefined;
  return NODE_TYPES.some((known) => known === type && !SHARED_TYPES.has(known));
}

function versionOf(document: Fields): number | undefined {
  if (dialectOf(document) !== undefined) return 1;
  const { version } = document;
  return typeof version === "number" ? version : undefined;
}

const READ: Record<Dialect, (document: Fields) => Migrated> = {
  nodes_and_edges: (document) => compileGraph(readNodesAndEdges(document)),
  connected_nodes: (document) => compileGraph(readConnectedNodes(document)),
  steps_and_connections: (document) => compileGraph(readStepsAndConnections(document)),
  list: (document) => compileGraph(readList(document)),
  dependencies: compileDependencies,
};

function fromVersion1(document: Fields): Migrated {
  const dialect = dialectOf(document);
  return dialect ? READ[dialect](document) : { definition: document, issues: [], warnings: [] };
}
