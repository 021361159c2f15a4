import { ChevronRight } from "lucide-react";
import type { CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import type { StepStatus } from "#engine/types.ts";
import type { Segment } from "../../graph/attempts.ts";
import { shownStatus } from "../../graph/overlay.ts";
import type { ShownRow, TimelineRow } from "../../graph/timeline.ts";
import { cn } from "../../ui/cn.ts";
import { formatDuration, formatPercent } from "../../ui/format.ts";
import { KindTile } from "../../ui/kind.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { previewOf } from "./item-preview.ts";
import type { RunModel } from "./run-model.ts";
import { PANES } from "./timeline-axis.tsx";
import { barOf, type TimelineSpan } from "./timeline-span.ts";
import { SEGMENT_CLASS } from "./timeline-toolbar.tsx";

type Props = {
  id: string;
  row: ShownRow;
  model: RunModel;
  span: TimelineSpan;
  style: CSSProperties;
  isActive: boolean;
  isChosen: boolean;
  onOpen: () => void;
  onToggle: () => void;
};

export const TimelineRowView = ({ id, row, model, span, style, isActive, isChosen, onOpen, onToggle }: Props) => {
  const { t } = useTranslation();
  const status = statusOf(row, model);
  const took = Math.max(0, (row.to ?? span.end) - row.from);
  const duration = took === 0 ? t("run.timeline.instant") : formatDuration(took);
  const label = labelOf(row, model, (index) => t("run.step.item", { index }));
  const hover = [
    t("run.timeline.offset", { offset: formatDuration(row.from - span.start) }),
    duration,
    t("run.timeline.ofRun", { percent: formatPercent(took / (span.end - span.start)) }),
  ].join(" · ");
  return (
    <div
      id={id}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.size}
      aria-expanded={row.children.length > 0 ? row.expanded : undefined}
      aria-selected={isChosen}
      aria-label={t("run.timeline.row", { label: label.text, status: t(`canvas.status.${status}`), duration })}
      onClick={onOpen}
      style={style}
      className={cn(
        PANES,
        "absolute inset-x-0 top-0 cursor-pointer items-center pr-5 hover:bg-hover",
        isChosen && "bg-accent-soft hover:bg-accent-soft",
        isActive && "group-focus-visible/tree:shadow-[inset_2px_0_0_var(--accent)]",
      )}
    >
      <div
        aria-hidden="true"
        className="flex min-w-0 items-center gap-1.5 pr-3 pl-2 sm:pl-4"
        style={{ paddingInlineStart: `${8 + (row.level - 1) * 16}px` }}
      >
        <span
          className={cn(
            "flex size-5 shrink-0 items-center justify-center rounded text-ink-3",
            row.children.length > 0 ? "hover:bg-line" : "invisible",
          )}
          onClick={(event) => {
            event.stopPropagation();
            onToggle();
          }}
        >
          <ChevronRight className={cn("size-3.5 transition-transform", row.expanded && "rotate-90")} />
        </span>
        {label.type ? <KindTile type={label.type} className="hidden size-5 rounded-md sm:inline-flex" /> : null}
        <span className={cn("min-w-0 flex-1 truncate text-[0.8125rem]", row.kind === "item" && "text-ink-2")}>
          {label.text}
          {label.detail ? <span className="ml-1.5 text-xs text-ink-3">{label.detail}</span> : null}
        </span>
        <StepStatusMark status={status} wordless />
        <span className="tabular hidden w-15 shrink-0 text-right text-xs text-ink-3 sm:inline">{duration}</span>
      </div>
      <div aria-hidden="true" className="relative h-full border-l border-line" title={hover}>
        <Bars row={row} span={span} status={status} />
      </div>
    </div>
  );
};

const TONE: Readonly<Record<StepStatus, string>> = {
  pending: "bg-idle",
  ready: "bg-busy",
  running: "bg-busy",
  retrying: "bg-wait",
  parked: "bg-wait",
  succeeded: "bg-ok",
  failed: "bg-bad",
  skipped: "bg-idle",
  cancelled: "bg-idle",
};

const Bars = ({ row, span, status }: { row: TimelineRow; span: TimelineSpan; status: StepStatus }) => {
  const queued = row.from - row.readyAt > 1 ? barOf(span, row.readyAt, row.from) : undefined;
  return (
    <>
      {queued ? <Bar {...queued} className={SEGMENT_CLASS.queued} /> : null}
      {row.kind === "item" ? (
        <ItemBar row={row} span={span} status={status} />
      ) : (
        row.segments.map((segment) => <SegmentBar key={segment.from} segment={segment} span={span} />)
      )}
    </>
  );
};

const ItemBar = ({ row, span, status }: { row: TimelineRow; span: TimelineSpan; status: StepStatus }) => {
  const bar = barOf(span, row.from, row.to ?? span.end);
  return bar ? <Bar {...bar} className={cn("h-1.5 rounded-full opacity-60", TONE[status])} /> : null;
};

const OUTCOME: Readonly<Record<Segment["outcome"], string>> = {
  open: "bg-busy",
  succeeded: "bg-ok",
  done: "bg-ok",
  failed: "bg-bad",
  cancelled: "bg-idle",
  in_doubt: "bg-wait",
};

const SegmentBar = ({ segment, span }: { segment: Segment; span: TimelineSpan }) => {
  const bar = barOf(span, segment.from, segment.to ?? span.end);
  if (!bar) return null;
  return <Bar {...bar} className={cn(SEGMENT_CLASS[segment.kind], segment.kind === "executing" && OUTCOME[segment.outcome])} />;
};

const Bar = ({ left, width, className }: { left: number; width: number; className: string }) => (
  <span
    className={cn("absolute top-1/2 min-w-0.75 -translate-y-1/2", className)}
    style={{ left: `min(${left}%, calc(100% - 3px))`, width: `${width}%` }}
  />
);

/** An item shows what its steps come to. */
function statusOf(row: TimelineRow, model: RunModel): StepStatus {
  if (row.kind === "step") return shownStatus(model.stepAt(row)?.status ?? (row.to === null ? "running" : "succeeded"), model.run.status);
  const statuses = row.children.map((child) => statusOf(child, model));
  const loudest = (["failed", "parked", "running", "retrying", "cancelled"] as const).find((status) => statuses.includes(status));
  return loudest ?? (row.to === null ? "running" : "succeeded");
}

function labelOf(row: TimelineRow, { labels, view, stepAt }: RunModel, itemName: (index: number) => string) {
  const node = view.definition?.nodes.find(({ id }) => id === row.nodeId);
  if (row.kind === "step") return { text: labels.get(row.nodeId) ?? row.nodeId, detail: undefined, type: node?.type };
  const map = stepAt({ scope: row.scope.slice(0, row.scope.lastIndexOf("/")), nodeId: row.nodeId });
  const item = map?.map?.items[row.index];
  return { text: itemName(row.index + 1), detail: item === undefined ? undefined : previewOf(item), type: undefined };
}
