import type { Issue } from "#contract/errors.ts";
import type { EditorOptions } from "#contract/journal.ts";
import type { Plan } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { StartRequest } from "./start-request.ts";

/** Throws `editor_only` for a production run with any of these, and `request_invalid` for nodes that the version does not have. */
export function checkEditor(plan: Plan, { mode = "production", editor }: Pick<StartRequest, "mode" | "editor">): void {
  if (!editor) return;
  if (mode !== "editor") {
    const names = Object.keys(editor).join(", ");
    throw new AppError("editor_only", `Expected \`mode: editor\` with ${names}; the run's mode is ${mode}.`);
  }
  const issues = [...unknownNodes(plan, editor), ...onlyIssues(plan, editor.only)];
  if (issues.length > 0) throw new AppError("request_invalid", "The run names nodes that it cannot have.", { issues });
}

function unknownNodes(plan: Plan, { pins = {}, breakpoints = [] }: EditorOptions): Issue[] {
  const named = [
    ...Object.keys(pins).map((nodeId) => ({ path: `body.pins.${nodeId}`, nodeId })),
    ...breakpoints.map((nodeId, i) => ({ path: `body.breakpoints[${i}]`, nodeId })),
  ];
  return named
    .filter(({ nodeId }) => !plan.nodes.has(nodeId))
    .map((issue) => ({ ...issue, message: "expected a node of the workflow; there is none of this name" }));
}

/** A node inside a container has no item of its own to run with. */
function onlyIssues(plan: Plan, only: string | undefined): Issue[] {
  if (only === undefined) return [];
  const at = { path: "body.only", nodeId: only };
  const node = plan.nodes.get(only);
  if (!node) return [{ ...at, message: "expected a node of the workflow; there is none of this name" }];
  if (node.type === "start") return [{ ...at, message: "expected a node that does something; the start node does nothing" }];
  if (node.parentId === null) return [];
  return [
    { ...at, message: `expected a node at the top; this one lies in ${node.parentId}, which can be run alone with pins for its nodes` },
  ];
}
