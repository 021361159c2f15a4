import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { createContext, useContext, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { WorkflowNode } from "#contract/definition.ts";
import { nodeLabel, nodeSubtitle } from "../../graph/describe-node.ts";
import type { Direction } from "../../graph/layout.ts";
import type { ItemCount, Overlay } from "../../graph/overlay.ts";
import { isSmall } from "../../graph/to-flow.ts";
import { cn } from "../../ui/cn.ts";
import { KindTile } from "../../ui/kind.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { Duration } from "../../ui/time.tsx";
import { countText } from "./count-text.ts";

export type StepNodeData = { node: WorkflowNode; overlay: Overlay | undefined; isChosen: boolean; isTabStop: boolean };
export type StepNode = Node<StepNodeData, "step" | "container">;

type CanvasActions = {
  open: ((nodeId: string) => void) | undefined;
  focused: (nodeId: string) => void;
  onKeyDown: (event: KeyboardEvent) => void;
  direction: Direction;
};
export const CanvasContext = createContext<CanvasActions>({ open: undefined, focused: () => {}, onKeyDown: () => {}, direction: "RIGHT" });

/** Where edges arrive and leave. Invisible: nothing can be connected here. */
const Ends = () => {
  const { direction } = useContext(CanvasContext);
  const [into, out] = direction === "RIGHT" ? [Position.Left, Position.Right] : [Position.Top, Position.Bottom];
  return (
    <>
      <Handle type="target" position={into} isConnectable={false} className="pointer-events-none opacity-0!" />
      <Handle type="source" position={out} isConnectable={false} className="pointer-events-none opacity-0!" />
    </>
  );
};

/** The element of a node that takes focus; arrow keys move between these. */
export const nodeButtonId = (nodeId: string): string => `node-${nodeId}`;

function useNodeButton({ node, isTabStop, isChosen }: StepNodeData) {
  const { open, focused, onKeyDown } = useContext(CanvasContext);
  return {
    id: nodeButtonId(node.id),
    type: "button" as const,
    tabIndex: isTabStop ? 0 : -1,
    "aria-current": isChosen ? ("step" as const) : undefined,
    onClick: () => open?.(node.id),
    onFocus: () => focused(node.id),
    onKeyDown,
  };
}

const FRAME =
  "nopan nodrag block size-full border bg-raised text-left text-ink transition-[border-color,box-shadow] duration-150 focus-visible:outline-offset-3";

const frameOf = ({ overlay, isChosen }: StepNodeData): string =>
  cn(
    overlay?.status === "pending" || overlay?.status === "skipped"
      ? "border-dashed border-line-strong shadow-none"
      : "border-line shadow-1",
    overlay?.status === "running" && "border-busy shadow-[0_0_0_3px_var(--busy-soft)]",
    overlay?.status === "failed" && "border-bad",
    (overlay?.status === "parked" || overlay?.status === "waiting" || overlay?.status === "retrying") &&
      "border-wait shadow-[0_0_0_3px_var(--wait-soft)]",
    isChosen && "border-accent shadow-[0_0_0_2px_var(--accent)]",
  );

export const StepCard = ({ data }: NodeProps<StepNode>) => {
  const { t } = useTranslation();
  const { node, overlay } = data;
  const button = useNodeButton(data);
  const subtitle = nodeSubtitle(node);
  const small = isSmall(node);
  return (
    <>
      <button
        {...button}
        className={cn(
          FRAME,
          small ? "rounded-full px-2" : "rounded-xl px-2.5",
          frameOf(data),
          overlay?.status === "skipped" && "opacity-65",
        )}
      >
        <span className={cn("flex items-center gap-2.5", small ? "h-full" : "h-15")}>
          <KindTile type={node.type} className={small ? "size-7.5 rounded-full" : undefined} />
          <span className="min-w-0 flex-1">
            <span className="block truncate text-[0.8125rem] leading-4.5 font-semibold">{nodeLabel(node)}</span>
            <span className="sr-only">{t(`canvas.type.${node.type}`)}</span>
            {subtitle ? <span className="block truncate text-2xs text-ink-3">{subtitle}</span> : null}
          </span>
          {small && overlay ? <StepStatusMark status={overlay.status} wordless className="pr-1" /> : null}
        </span>
        {overlay && !small ? <StatusLine overlay={overlay} /> : null}
      </button>
      <Ends />
    </>
  );
};

const StatusLine = ({ overlay }: { overlay: Overlay }) => {
  const { t } = useTranslation();
  const { status, items, startedAt, endedAt, attempt } = overlay;
  return (
    <span className="flex h-6 items-center justify-between gap-2 border-t border-line pb-0.5 text-2xs text-ink-3">
      <StepStatusMark status={status} className="min-w-0 text-2xs" />
      <span className="tabular truncate">
        {items ? countText(items, t) : null}
        {!items && attempt > 1 ? `${t("canvas.attempts", { count: attempt })} · ` : null}
        {!items && startedAt ? <Duration from={startedAt} to={endedAt ?? null} /> : null}
      </span>
    </span>
  );
};

/** A `map` or `loop` holds its steps: a frame with a head that opens it. */
export const ContainerFrame = ({ data }: NodeProps<StepNode>) => {
  const { t } = useTranslation();
  const { node, overlay } = data;
  const button = useNodeButton(data);
  const items = overlay?.items;
  const subtitle = nodeSubtitle(node);
  return (
    <>
      <div className={cn("relative size-full rounded-2xl border bg-[color-mix(in_oklch,var(--kind-data)_4%,transparent)]", frameOf(data))}>
        <button {...button} className="nopan nodrag flex h-12 w-full items-center gap-2.5 rounded-t-2xl px-3 text-left">
          <KindTile type={node.type} className="size-7.5 rounded-lg" />
          <span className="min-w-2/5 flex-1">
            <span className="block truncate text-[0.8125rem] leading-4.5 font-semibold">{nodeLabel(node)}</span>
            <span className="block truncate text-2xs text-ink-3">
              {node.type === "loop" ? t("canvas.perRound", { while: subtitle }) : t("canvas.perItem", { items: subtitle })}
            </span>
          </span>
          {items ? <ItemProgress items={items} status={overlay.status} /> : null}
          {overlay ? <StepStatusMark status={overlay.status} wordless={items !== undefined} /> : null}
        </button>
      </div>
      <Ends />
    </>
  );
};

const ItemProgress = ({ items, status }: { items: ItemCount; status: Overlay["status"] }) => {
  const { t } = useTranslation();
  const { done, total, running, unit } = items;
  const tone = status === "failed" ? "bg-bad" : status === "succeeded" ? "bg-ok" : "bg-busy";
  return (
    <span
      className="flex min-w-0 items-center gap-2 text-2xs text-ink-2"
      title={running > 0 ? t("canvas.itemsRunning", { count: running }) : undefined}
    >
      {unit === "item" ? (
        <span aria-hidden="true" className="h-1.5 w-20 min-w-3 shrink overflow-hidden rounded-full bg-idle-soft">
          <span
            className={cn("block h-full rounded-full transition-[width] duration-300", tone)}
            style={{ width: `${total === 0 ? 100 : (100 * done) / total}%` }}
          />
        </span>
      ) : null}
      <span className="tabular shrink-0 font-medium">{countText(items, t)}</span>
    </span>
  );
};
