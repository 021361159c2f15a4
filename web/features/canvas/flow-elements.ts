import type { Definition } from "#contract/definition.ts";
import type { Overlay } from "../../graph/overlay.ts";
import { holdsNodes, parentsFirst, type Boxes, type Drawing, type EdgeFlow } from "../../graph/to-flow.ts";
import type { StepNode } from "./nodes.tsx";
import type { RoutedEdge } from "./routed-edge.tsx";

export type GraphProps = {
  definition: Definition;
  /** What a run did at each node; absent for a workflow that is only shown. */
  overlays?: ReadonlyMap<string, Overlay> | undefined;
  flows?: ReadonlyMap<string, EdgeFlow> | undefined;
  chosen?: string | undefined;
  onOpen?: ((nodeId: string) => void) | undefined;
};

export function flowNodes({ definition, overlays, chosen }: GraphProps, boxes: Boxes, tabStop: string | undefined): StepNode[] {
  return parentsFirst(definition).flatMap((node) => {
    const box = boxes.get(node.id);
    if (!box) return [];
    return {
      id: node.id,
      type: holdsNodes(node.type) ? ("container" as const) : ("step" as const),
      position: { x: box.x, y: box.y },
      width: box.width,
      height: box.height,
      // Known before the first measuring, so that edges and the first view are right at once.
      measured: { width: box.width, height: box.height },
      ...(node.parentId === undefined ? {} : { parentId: node.parentId }),
      style: { pointerEvents: "all" as const },
      data: { node, overlay: overlays?.get(node.id), isChosen: node.id === chosen, isTabStop: node.id === tabStop },
    };
  });
}

export function flowEdges(
  { definition, flows }: GraphProps,
  routes: Drawing["routes"],
  handleName: (handle: string) => string,
): RoutedEdge[] {
  return definition.edges.map((edge) => {
    const handle = edge.sourceHandle ?? "success";
    const flow = flows?.get(edge.id) ?? "idle";
    return {
      id: edge.id,
      type: "routed" as const,
      data: { route: routes.get(edge.id) },
      source: edge.source,
      target: edge.target,
      className: handle === "error" && flow === "idle" ? "error" : flow,
      label: handle === "success" ? undefined : handleName(handle),
      focusable: false,
      zIndex: 1,
    };
  });
}
