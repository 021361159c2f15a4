import "@xyflow/react/dist/base.css";
import "./canvas.css";
import { Background, BackgroundVariant, MiniMap, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { boundsOf, parentsFirst } from "../../graph/to-flow.ts";
import { firstView } from "../../graph/view.ts";
import { absoluteBox, isArrow, walk } from "../../graph/walk.ts";
import { Skeleton } from "../../ui/skeleton.tsx";
import { useNarrow } from "../../ui/use-narrow.ts";
import { useSize } from "../../ui/use-size.ts";
import { CanvasControls } from "./canvas-controls.tsx";
import { flowEdges, flowNodes, type GraphProps } from "./flow-elements.ts";
import { CanvasContext, ContainerFrame, StepCard, nodeButtonId, type StepNode } from "./nodes.tsx";
import { StepList } from "./step-list.tsx";
import { RoutedEdgePath, type RoutedEdge } from "./routed-edge.tsx";
import { useDrawing, type Drawn } from "./use-drawing.ts";

const NODE_TYPES = { step: StepCard, container: ContainerFrame };
const EDGE_TYPES = { routed: RoutedEdgePath };
/** Beyond this many nodes only those in view are drawn. */
const MANY_NODES = 150;

/** A workflow as a graph, to look at and walk through; the same as a list for those who prefer it. */
export const WorkflowCanvas = (props: GraphProps) => {
  const { t } = useTranslation();
  const [asList, setAsList] = useState(false);
  const [frame, setFrame] = useState<HTMLElement | null>(null);
  const size = useSize(frame);
  const isPhone = useNarrow("phone");
  const { drawn, failed } = useDrawing(props.definition, { width: size.width, withStatus: props.overlays !== undefined, isPhone });
  return (
    <div ref={setFrame} className="relative size-full min-h-64 overflow-hidden">
      <ReactFlowProvider>
        {asList ? (
          <StepList {...props} />
        ) : drawn && size.height > 0 ? (
          // Another direction is another drawing: it starts from its own first view.
          <Graph key={drawn.direction} {...props} drawn={drawn} room={size} />
        ) : (
          <output className="flex size-full items-center justify-center gap-10 opacity-70">
            <span className="sr-only">{t("canvas.layingOut")}</span>
            <Skeleton className="h-15 w-48 rounded-xl" />
            <Skeleton className="hidden h-15 w-48 rounded-xl sm:block" />
            <Skeleton className="hidden h-15 w-48 rounded-xl lg:block" />
          </output>
        )}
        <CanvasControls asList={asList} onAsList={setAsList} />
      </ReactFlowProvider>
      {failed ? (
        <output className="block absolute inset-x-0 top-3 mx-auto w-fit rounded-full bg-wait-soft px-3 py-1 text-xs text-wait">
          {t("canvas.layoutFailed")}
        </output>
      ) : null}
    </div>
  );
};

type DrawnProps = GraphProps & { drawn: Drawn; room: { width: number; height: number } };

const Graph = (props: DrawnProps) => {
  const { t } = useTranslation();
  const { definition, drawn, room, chosen, onOpen } = props;
  const { boxes, routes, direction } = drawn;
  const [focused, setFocused] = useState<string>();
  const tabStop = focused ?? chosen ?? parentsFirst(definition)[0]?.id;
  const nodes = useMemo(() => flowNodes(props, boxes, tabStop), [props, boxes, tabStop]);
  const edges = useMemo(
    () =>
      flowEdges(props, routes, (handle) =>
        handle === "true" || handle === "false" || handle === "error" ? t(`canvas.handle.${handle}`) : handle,
      ),
    [props, routes, t],
  );
  const bringIntoView = useBringIntoView(props);
  const onKeyDown = useCallback(
    (event: KeyboardEvent): void => {
      if (!isArrow(event.key) || tabStop === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
      const next = walk(tabStop, event.key, { definition, boxes });
      event.preventDefault();
      if (next === undefined) return;
      setFocused(next);
      bringIntoView(next);
      document.getElementById(nodeButtonId(next))?.focus({ preventScroll: true });
    },
    [tabStop, definition, boxes, bringIntoView],
  );
  const actions = useMemo(() => ({ open: onOpen, focused: setFocused, onKeyDown, direction }), [onOpen, onKeyDown, direction]);
  const bounds = useMemo(() => boundsOf(definition, boxes), [definition, boxes]);
  const initial = firstView(bounds, room, direction);
  return (
    <CanvasContext value={actions}>
      <section aria-label={t("canvas.label")} aria-describedby="canvas-hint" className="size-full">
        <span id="canvas-hint" className="sr-only">
          {t("canvas.hint")}
        </span>
        <ReactFlow<StepNode, RoutedEdge>
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          defaultViewport={{ ...initial, x: initial.x - bounds.x * initial.zoom, y: initial.y - bounds.y * initial.zoom }}
          minZoom={0.1}
          maxZoom={1.6}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          panOnScroll
          zoomOnDoubleClick={false}
          onlyRenderVisibleElements={definition.nodes.length > MANY_NODES}
          proOptions={{ hideAttribution: true }}
        >
          <Background variant={BackgroundVariant.Dots} gap={22} size={1.4} />
          <MiniMap
            pannable
            ariaLabel={t("canvas.minimap")}
            nodeColor={minimapColour}
            nodeBorderRadius={8}
            className="m-3! hidden md:block"
            style={{ width: 124, height: 86 }}
          />
        </ReactFlow>
      </section>
    </CanvasContext>
  );
};

/** Moves the view only when the node is not in it already. */
function useBringIntoView({ definition, drawn, room, chosen }: DrawnProps): (nodeId: string) => void {
  const { getViewport, setCenter } = useReactFlow();
  const { boxes } = drawn;
  const bring = useCallback(
    (nodeId: string): void => {
      const box = absoluteBox(nodeId, definition, boxes);
      if (!box) return;
      const { x, y, zoom } = getViewport();
      const left = box.x * zoom + x;
      const top = box.y * zoom + y;
      const inView = left >= 0 && top >= 0 && left + box.width * zoom <= room.width && top + Math.min(box.height, 90) * zoom <= room.height;
      if (!inView) void setCenter(box.x + box.width / 2, box.y + Math.min(box.height, 90) / 2, { zoom, duration: 180 });
    },
    [definition, boxes, room.width, room.height, getViewport, setCenter],
  );
  useEffect(() => {
    if (chosen !== undefined) bring(chosen);
  }, [chosen, bring]);
  return bring;
}

const MINIMAP_COLOUR = {
  pending: "var(--idle-soft)",
  ready: "var(--busy-soft)",
  running: "var(--busy)",
  waiting: "var(--wait)",
  retrying: "var(--wait)",
  parked: "var(--wait)",
  succeeded: "var(--ok)",
  failed: "var(--bad)",
  skipped: "var(--idle-soft)",
  cancelled: "var(--idle)",
} as const;

const minimapColour = ({ type, data }: StepNode): string => {
  if (type === "container") return "var(--sunken)";
  return data.overlay ? MINIMAP_COLOUR[data.overlay.status] : "var(--line-strong)";
};
