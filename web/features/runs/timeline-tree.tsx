import { useVirtualRows } from "../../ui/virtual.ts";
import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { useCommands } from "../../commands/use-commands.ts";
import { formatStepRef } from "../../graph/scope.ts";
import type { ShownRow } from "../../graph/timeline.ts";
import type { RunModel } from "./run-model.ts";
import { TimelineRowView } from "./timeline-row.tsx";
import type { TimelineSpan } from "./timeline-span.ts";
import type { RunNav } from "./use-run-nav.ts";

const ROW_HEIGHT = 30;

type Props = { model: RunModel; nav: RunNav; rows: readonly ShownRow[]; span: TimelineSpan; onToggle: (id: string) => void };

/** The rows of the waterfall. One tab stop; arrows, Home, End and J/K move, Enter opens the step, left and right fold. */
export const TimelineTree = ({ model, nav, rows, span, onToggle }: Props) => {
  const { t } = useTranslation();
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const { active, move, setActive } = useActiveRow(rows, nav);
  const virtual = useVirtualRows({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 16,
  });
  const activeIndex = rows.findIndex((row) => row.id === active);
  useEffect(() => {
    if (activeIndex >= 0) virtual.scrollToIndex(activeIndex, { align: "auto" });
    // Only when another row becomes active, not when rows appear.
  }, [active]);
  const open = (row: ShownRow | undefined): void => {
    if (!row) return;
    setActive(row.id);
    if (row.kind === "item") onToggle(row.id);
    else nav.open({ scope: row.scope, nodeId: row.nodeId });
  };
  useCommands({ rowNext: () => move(1), rowPrevious: () => move(-1) });
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[activeIndex];
    const act = actionFor(event.key, row, { move, onToggle, setActive, open, last: rows.length });
    if (!act) return;
    event.preventDefault();
    act();
  };
  return (
    <div
      ref={scroller}
      role="tree"
      aria-label={t("run.timeline.label")}
      tabIndex={0}
      aria-activedescendant={activeIndex >= 0 ? `${id}${active}` : undefined}
      onKeyDown={onKeyDown}
      onFocus={() => (activeIndex < 0 ? setActive(rows[0]?.id) : undefined)}
      className="group/tree min-h-0 flex-1 overflow-y-auto outline-offset-[-2px]"
    >
      <div role="none" className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          return (
            <TimelineRowView
              key={row.id}
              id={`${id}${row.id}`}
              row={row}
              model={model}
              span={span}
              style={{ height: ROW_HEIGHT, transform: `translateY(${start}px)` }}
              isActive={row.id === active}
              isChosen={nav.step !== undefined && row.kind === "step" && formatStepRef(nav.step) === formatStepRef(row)}
              onOpen={() => open(row)}
              onToggle={() => onToggle(row.id)}
            />
          );
        })}
      </div>
    </div>
  );
};

/** The row that keys act on: the chosen step's at first. */
function useActiveRow(rows: readonly ShownRow[], nav: RunNav) {
  const [active, setActive] = useState(() =>
    nav.step ? rows.find((row) => row.kind === "step" && row.scope === nav.step?.scope && row.nodeId === nav.step.nodeId)?.id : undefined,
  );
  const move = (by: number): void => {
    const at = rows.findIndex((row) => row.id === active);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    if (next) setActive(next.id);
  };
  return { active, setActive, move };
}

type Moves = {
  move: (by: number) => void;
  onToggle: (id: string) => void;
  setActive: (id: string) => void;
  open: (row: ShownRow) => void;
  last: number;
};

/** What a key does in the tree, or undefined when it is none of ours. */
function actionFor(key: string, row: ShownRow | undefined, { move, onToggle, setActive, open, last }: Moves): (() => void) | undefined {
  switch (key) {
    case "ArrowDown":
      return () => move(1);
    case "ArrowUp":
      return () => move(-1);
    case "Home":
      return () => move(-last);
    case "End":
      return () => move(last);
    case "Enter":
    case " ":
      return () => row && open(row);
    case "ArrowRight":
      return () => {
        if (!row || row.children.length === 0) return;
        if (row.expanded) move(1);
        else onToggle(row.id);
      };
    case "ArrowLeft":
      return () => {
        if (row?.expanded) onToggle(row.id);
        else if (row && row.parentId !== null) setActive(row.parentId);
      };
    default:
      return undefined;
  }
}
