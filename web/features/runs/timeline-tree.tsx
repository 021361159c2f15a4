import { useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { useTranslation } from "react-i18next";
import { useCommands } from "../../commands/use-commands.ts";
import { formatStepRef } from "../../graph/scope.ts";
import type { ShownRow } from "../../graph/timeline.ts";
import { useVirtualRows } from "../../ui/virtual.ts";
import type { RunModel } from "./run-model.ts";
import { TimelineRowView } from "./timeline-row.tsx";
import type { TimelineSpan } from "./timeline-span.ts";
import type { RunNav } from "./use-run-nav.ts";

const ROW_HEIGHT = 30;

type Props = { model: RunModel; nav: RunNav; rows: readonly ShownRow[]; span: TimelineSpan; onToggle: (id: string) => void };

/** The rows of the waterfall. One tab stop; arrows, Home, End and J/K move, Enter opens the step, left and right fold. */
export const TimelineTree = ({ model, nav, rows, span, onToggle }: Props) => {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const chosen = nav.step && formatStepRef(nav.step);
  const [active, setActive] = useState(() => rows.find((row) => row.kind === "step" && formatStepRef(row) === chosen)?.id ?? rows[0]?.id);
  const virtual = useVirtualRows({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 16,
  });
  const goTo = (index: number): void => {
    const next = rows[Math.min(rows.length - 1, Math.max(0, index))];
    if (!next) return;
    setActive(next.id);
    virtual.scrollToIndex(rows.indexOf(next), { align: "auto" });
    // The row may be drawn only after the scrolling.
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(next.id)}"]`)?.focus({ preventScroll: true }),
    );
  };
  const activeIndex = rows.findIndex((row) => row.id === active);
  const open = (row: ShownRow): void => {
    setActive(row.id);
    if (row.kind === "item") onToggle(row.id);
    else nav.open({ scope: row.scope, nodeId: row.nodeId });
  };
  useCommands({ rowNext: () => goTo(activeIndex + 1), rowPrevious: () => goTo(activeIndex - 1) });
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[activeIndex];
    const act = row && actionFor(event.key, row, { rows, activeIndex, goTo, open, onToggle });
    if (!act || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    act();
  };
  const onClick = (event: MouseEvent, row: ShownRow): void => {
    const isFold = event.target instanceof Element && event.target.closest("[data-fold]") !== null;
    if (isFold && row.children.length > 0) onToggle(row.id);
    else open(row);
  };
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto">
      <div role="tree" aria-label={t("run.timeline.label")} className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          return (
            <TimelineRowView
              key={row.id}
              row={row}
              model={model}
              span={span}
              style={{ height: ROW_HEIGHT, transform: `translateY(${start}px)` }}
              isTabStop={row.id === active || (activeIndex < 0 && index === 0)}
              isChosen={row.kind === "step" && formatStepRef(row) === chosen}
              onClick={(event) => onClick(event, row)}
              onKeyDown={onKeyDown}
              onFocus={() => setActive(row.id)}
            />
          );
        })}
      </div>
    </div>
  );
};

type Moves = {
  rows: readonly ShownRow[];
  activeIndex: number;
  goTo: (index: number) => void;
  open: (row: ShownRow) => void;
  onToggle: (id: string) => void;
};

/** What a key does in the tree, or undefined when it is none of ours. */
function actionFor(key: string, row: ShownRow, { rows, activeIndex, goTo, open, onToggle }: Moves): (() => void) | undefined {
  switch (key) {
    case "ArrowDown":
      return () => goTo(activeIndex + 1);
    case "ArrowUp":
      return () => goTo(activeIndex - 1);
    case "Home":
      return () => goTo(0);
    case "End":
      return () => goTo(rows.length - 1);
    case "Enter":
    case " ":
      return () => open(row);
    case "ArrowRight":
      return () => {
        if (row.expanded) goTo(activeIndex + 1);
        else if (row.children.length > 0) onToggle(row.id);
      };
    case "ArrowLeft":
      return () => {
        if (row.expanded) onToggle(row.id);
        else if (row.parentId !== null) goTo(rows.findIndex(({ id }) => id === row.parentId));
      };
    default:
      return undefined;
  }
}
