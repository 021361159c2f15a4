import { ChevronLeft, ChevronRight, ChevronsDownUp, ChevronsUpDown, Maximize, ZoomIn, ZoomOut } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { keysOf } from "../../commands/commands.ts";
import { Button } from "../../ui/button.tsx";
import { cn } from "../../ui/cn.ts";
import { Tooltip } from "../../ui/tooltip.tsx";
import { SEGMENT_CLASS } from "./timeline-bars.tsx";

type Props = {
  onExpandAll: () => void;
  onCollapseAll: () => void;
  onZoomIn: () => void;
  onZoomOut: () => void;
  onReset: () => void;
  onPan: (share: number) => void;
  isZoomed: boolean;
};

const PAN_SHARE = 0.4;

export const TimelineToolbar = ({ onExpandAll, onCollapseAll, onZoomIn, onZoomOut, onReset, onPan, isZoomed }: Props) => {
  const { t } = useTranslation();
  return (
    <div className="flex flex-wrap items-center gap-1 border-b border-line px-3 py-2 sm:px-5">
      <Tool label={t("run.timeline.expandAll")} onClick={onExpandAll}>
        <ChevronsUpDown />
      </Tool>
      <Tool label={t("run.timeline.collapseAll")} onClick={onCollapseAll}>
        <ChevronsDownUp />
      </Tool>
      <span aria-hidden="true" className="mx-1 h-4 w-px bg-line" />
      <Tool label={t("run.timeline.zoomOut")} keys={keysOf("timelineZoomOut")} onClick={onZoomOut}>
        <ZoomOut />
      </Tool>
      <Tool label={t("run.timeline.zoomIn")} keys={keysOf("timelineZoomIn")} onClick={onZoomIn}>
        <ZoomIn />
      </Tool>
      {isZoomed ? (
        <>
          <Tool label={t("run.timeline.earlier")} onClick={() => onPan(-PAN_SHARE)}>
            <ChevronLeft />
          </Tool>
          <Tool label={t("run.timeline.later")} onClick={() => onPan(PAN_SHARE)}>
            <ChevronRight />
          </Tool>
          <Tool label={t("run.timeline.reset")} keys={keysOf("timelineReset")} onClick={onReset}>
            <Maximize />
          </Tool>
        </>
      ) : null}
      <span className="flex-1" />
      <Legend />
    </div>
  );
};

const Tool = ({
  label,
  keys,
  onClick,
  children,
}: {
  label: string;
  keys?: string | undefined;
  onClick: () => void;
  children: ReactNode;
}) => (
  <Tooltip label={label} keys={keys}>
    <Button variant="ghost" size="iconSm" aria-label={label} onClick={onClick}>
      {children}
    </Button>
  </Tooltip>
);

const Legend = () => {
  const { t } = useTranslation();
  return (
    <ul aria-label={t("run.timeline.legend")} className="hidden items-center gap-3.5 text-2xs text-ink-3 md:flex">
      {(["queued", "executing", "backoff", "waiting"] as const).map((kind) => (
        <li key={kind} className="flex items-center gap-1.5">
          <span aria-hidden="true" className={cn("w-5", SEGMENT_CLASS[kind], kind === "executing" && "bg-busy")} />
          {t(`run.timeline.segment.${kind}`)}
        </li>
      ))}
    </ul>
  );
};
