import { expect, test } from "vitest";
import { Definition } from "#contract/definition.ts";
import { COMPUTED } from "../kernel/known-value.ts";
import { toolUses } from "./tool-uses.ts";

const call = (id: string, given: unknown, parentId?: string) => ({
  id,
  type: "mcp_tool",
  ...(parentId && { parentId }),
  data: { server: "files", tool: "read", arguments: given },
});
const nodes = [
  { id: "start", type: "start" },
  call("plain", { path: "/", depth: 2, list: ["\\=a", "=input.b", null], text: "to {{ input.c }}", literal: "\\{{" }),
  { id: "each", type: "map", data: { items: [1] } },
  call("inside", "=item", "each"),
  { id: "end", type: "end" },
];

test("what steps give to tools is read as a run reads it, without what it computes", () => {
  const edges = ["start>plain", "plain>each", "each>end"].map((edge, i) => {
    const [source, target] = edge.split(">");
    return { id: `e${i}`, source, target };
  });
  expect(toolUses(Definition.parse({ version: 2, name: "Uses", nodes, edges }))).toEqual([
    {
      at: 1,
      nodeId: "plain",
      server: "files",
      tool: "read",
      arguments: { path: "/", depth: 2, list: ["=a", COMPUTED, null], text: COMPUTED, literal: "{{" },
    },
    { at: 3, nodeId: "inside", server: "files", tool: "read", arguments: COMPUTED },
  ]);
});
