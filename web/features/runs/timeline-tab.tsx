import { GanttChart } from "lucide-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { isFinal } from "#contract/runs.ts";
import { WHOLE, expandable, pan, pathTo, visibleRows, zoom, type TimeWindow, type TimelineRow } from "../../graph/timeline.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { EmptyState } from "../../ui/page.ts";
import { useNow } from "../../ui/use-now.ts";
import type { RunModel } from "./run-model.ts";
import { TimelineAxis } from "./timeline-axis.tsx";
import { TimelineToolbar } from "./timeline-toolbar.tsx";
import { TimelineTree } from "./timeline-tree.tsx";
import type { RunNav } from "./use-run-nav.ts";

/** A `map` with at most so many items is open from the start. */
const FEW_ITEMS = 16;
const ZOOM_FACTOR = 2;

/** What took how long: every step as a bar from when it could begin to its end, live up to now. */
export const TimelineTab = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const { timeline, view, run } = model;
  const now = useNow(!isFinal(run.status));
  const [chosen, setChosen] = useState<ReadonlySet<string>>();
  const [shown, setShown] = useState<TimeWindow>(WHOLE);
  const open = useMemo(() => chosen ?? openAtFirst(timeline, nav.step?.scope ?? ""), [chosen, timeline, nav.step?.scope]);
  const rows = useMemo(() => visibleRows(timeline, open), [timeline, open]);
  const start = Date.parse(view.events[0]?.at ?? run.createdAt);
  const lastAt = Date.parse(view.events.at(-1)?.at ?? run.createdAt);
  const end = Math.max(start + 1, isFinal(run.status) ? lastAt : Math.max(now, lastAt));
  const actions = {
    timelineZoomIn: () => setShown(zoom(shown, ZOOM_FACTOR)),
    timelineZoomOut: () => setShown(zoom(shown, 1 / ZOOM_FACTOR)),
    timelineReset: () => setShown(WHOLE),
  };
  useCommands(rows.length > 0 ? actions : {});
  if (rows.length === 0) return <EmptyState icon={<GanttChart />} title={t("run.timeline.empty")} />;
  const span = { start, end, window: shown };
  return (
    <div className="flex h-full flex-col">
      <TimelineToolbar
        onExpandAll={() => setChosen(new Set(expandable(timeline)))}
        onCollapseAll={() => setChosen(new Set())}
        onZoomIn={actions.timelineZoomIn}
        onZoomOut={actions.timelineZoomOut}
        onReset={actions.timelineReset}
        onPan={(share) => setShown(pan(shown, share))}
        isZoomed={shown.to - shown.from < 1}
      />
      <TimelineAxis span={span} />
      <TimelineTree model={model} nav={nav} rows={rows} span={span} onToggle={(id) => setChosen(toggled(open, id))} />
    </div>
  );
};

function openAtFirst(timeline: readonly TimelineRow[], scope: string): ReadonlySet<string> {
  const small = timeline.filter((row) => row.children.length > 0 && row.children.length <= FEW_ITEMS).map((row) => row.id);
  return new Set([...small, ...pathTo(scope)]);
}

function toggled(open: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(open);
  if (!next.delete(id)) next.add(id);
  return next;
}
