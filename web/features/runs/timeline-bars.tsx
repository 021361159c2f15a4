import type { StepStatus } from "#engine/types.ts";
import type { Segment } from "../../graph/attempts.ts";
import type { TimelineRow } from "../../graph/timeline.ts";
import { cn } from "../../ui/cn.ts";
import { barOf, type TimelineSpan } from "./timeline-span.ts";

/** How segments are drawn, the same in the legend and in the rows. */
export const SEGMENT_CLASS = {
  queued: "h-0.5 rounded-full bg-line-strong",
  executing: "h-3.5 rounded-[4px]",
  backoff: "h-1 rounded-full bg-[repeating-linear-gradient(90deg,var(--wait)_0_3px,transparent_3px_6px)]",
  waiting: "h-3.5 rounded-[4px] border border-wait bg-[repeating-linear-gradient(135deg,var(--wait-soft)_0_4px,transparent_4px_8px)]",
} as const;

const TONE: Readonly<Record<StepStatus, string>> = {
  pending: "bg-idle",
  ready: "bg-busy",
  running: "bg-busy",
  waiting: "bg-wait",
  retrying: "bg-wait",
  parked: "bg-wait",
  succeeded: "bg-ok",
  failed: "bg-bad",
  skipped: "bg-idle",
  cancelled: "bg-idle",
};

/** A row's time before it began, then its attempts and pauses; of an item, one thin bar. */
export const Bars = ({ row, span, status }: { row: TimelineRow; span: TimelineSpan; status: StepStatus }) => {
  const queued = row.from - row.readyAt > 1 ? barOf(span, row.readyAt, row.from) : undefined;
  return (
    <>
      {queued ? <Bar {...queued} className={SEGMENT_CLASS.queued} /> : null}
      {row.kind === "item" ? (
        <ItemBar row={row} span={span} status={status} />
      ) : (
        row.segments.map((segment) => <SegmentBar key={`${segment.kind}${segment.from}`} segment={segment} span={span} />)
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
