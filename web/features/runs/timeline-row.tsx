import { ChevronRight } from "lucide-react";
import type { CSSProperties, KeyboardEvent, MouseEvent } from "react";
import { useTranslation } from "react-i18next";
import type { StepStatus } from "#engine/types.ts";
import { shownStatus, unitOf, type ItemUnit } from "../../graph/overlay.ts";
import type { ShownRow, TimelineRow } from "../../graph/timeline.ts";
import { cn } from "../../ui/cn.ts";
import { formatDuration, formatPercent } from "../../ui/format.ts";
import { KindTile } from "../../ui/kind.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { previewOfItem } from "./item-preview.ts";
import type { RunModel } from "./run-model.ts";
import { PANES } from "./timeline-axis.tsx";
import { Bars } from "./timeline-bars.tsx";
import type { TimelineSpan } from "./timeline-span.ts";

type Props = {
  row: ShownRow;
  model: RunModel;
  span: TimelineSpan;
  style: CSSProperties;
  isTabStop: boolean;
  isChosen: boolean;
  onClick: (event: MouseEvent) => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onFocus: () => void;
};

export const TimelineRowView = ({ row, model, span, style, isTabStop, isChosen, onClick, onKeyDown, onFocus }: Props) => {
  const { t } = useTranslation();
  const status = statusOf(row, model);
  const took = Math.max(0, (row.to ?? span.end) - row.from);
  const duration = took === 0 ? t("run.timeline.instant") : formatDuration(took);
  const label = labelOf(row, model, (unit, index) => t(`run.step.unit.${unit}`, { index }));
  const hover = [
    t("run.timeline.offset", { offset: formatDuration(row.from - span.start) }),
    duration,
    t("run.timeline.ofRun", { percent: formatPercent(took / (span.end - span.start)) }),
  ];
  return (
    <div
      role="treeitem"
      data-row={row.id}
      tabIndex={isTabStop ? 0 : -1}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.size}
      aria-expanded={row.children.length > 0 ? row.expanded : undefined}
      aria-selected={isChosen}
      onClick={onClick}
      onKeyDown={onKeyDown}
      onFocus={onFocus}
      style={style}
      className={cn(
        PANES,
        "absolute inset-x-0 top-0 cursor-pointer items-center pr-5 outline-offset-[-2px] hover:bg-hover",
        isChosen && "bg-accent-soft hover:bg-accent-soft",
      )}
    >
      <div className="flex min-w-0 items-center gap-1.5 pr-3 sm:pl-2" style={{ paddingInlineStart: `${8 + (row.level - 1) * 16}px` }}>
        <span
          data-fold
          aria-hidden="true"
          className={cn(
            "flex size-5 shrink-0 items-center justify-center rounded text-ink-3",
            row.children.length > 0 ? "hover:bg-line" : "invisible",
          )}
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
      <div
        aria-hidden="true"
        className="relative h-full border-x border-line bg-[linear-gradient(90deg,transparent_calc(100%-1px),var(--line)_0)] bg-[size:25%_100%]"
        title={hover.join(" · ")}
      >
        <Bars row={row} span={span} status={status} />
      </div>
    </div>
  );
};

const LOUD = ["failed", "parked", "running", "waiting", "retrying", "cancelled"] as const satisfies readonly StepStatus[];

/** An item shows what its steps come to. */
function statusOf(row: TimelineRow, model: RunModel): StepStatus {
  if (row.kind === "step") return shownStatus(model.stepAt(row)?.status ?? (row.to === null ? "running" : "succeeded"), model.run.status);
  const statuses = new Set(row.children.map((child) => statusOf(child, model)));
  return LOUD.find((status) => statuses.has(status)) ?? (row.to === null ? "running" : "succeeded");
}

function labelOf(row: TimelineRow, { labels, nodeAt, stepAt }: RunModel, itemName: (unit: ItemUnit, index: number) => string) {
  const type = nodeAt(row.nodeId)?.type;
  if (row.kind === "step") return { text: labels.get(row.nodeId) ?? row.nodeId, detail: undefined, type };
  const container = stepAt({ scope: row.scope.slice(0, row.scope.lastIndexOf("/")), nodeId: row.nodeId });
  const value = container?.map?.items[row.index];
  const member = container?.team?.turns[row.index]?.member;
  const detail = previewOfItem({ ...(value === undefined ? {} : { value }), ...(member === undefined ? {} : { member }) });
  return { text: itemName(unitOf(type), row.index + 1), detail, type: undefined };
}
