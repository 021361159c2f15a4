import { useVirtualRows } from "../../ui/virtual.ts";
import { ChevronRight, ScrollText, SearchX } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Json } from "#contract/common.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { cn } from "../../ui/cn.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { formatClock } from "../../ui/format.ts";
import { JsonTree } from "../../ui/json-view.tsx";
import { SearchField } from "../../ui/search-field.tsx";
import { EmptyState } from "../../ui/page.ts";
import type { RunModel } from "./run-model.ts";
import type { RunNav } from "./use-run-nav.ts";

const ROW_HEIGHT = 33;

/** The journal as it is stored, event by event. */
export const EventsTab = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const [search, setSearch] = useState("");
  const { events } = model.view;
  const wanted = search.trim().toLowerCase();
  const shown =
    wanted === "" ? events : events.filter((event) => `${event.kind} ${event.scope}/${event.nodeId ?? ""}`.toLowerCase().includes(wanted));
  return (
    <div className="flex h-full flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5 sm:px-6">
        <SearchField label={t("run.events.filter")} value={search} onChange={setSearch} className="sm:w-72" />
        <span className="flex-1" />
        <CopyButton value={() => JSON.stringify(shown, null, 2)} what={t("run.events.asJson")} withText />
      </div>
      {shown.length === 0 ? (
        <EmptyState
          icon={wanted === "" ? <ScrollText /> : <SearchX />}
          title={t(wanted === "" ? "run.events.empty" : "run.events.emptyFiltered")}
        />
      ) : (
        <EventList events={shown} nav={nav} />
      )}
    </div>
  );
};

const EventList = ({ events, nav }: { events: readonly JournalEvent[]; nav: RunNav }) => {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const virtual = useVirtualRows({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => events[index]?.seq ?? index,
    overscan: 16,
  });
  const toggle = (seq: number): void => {
    const next = new Set(open);
    if (!next.delete(seq)) next.add(seq);
    setOpen(next);
  };
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto">
      <ol aria-label={t("run.events.label")} className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const event = events[index];
          if (!event) return null;
          return (
            <li
              key={key}
              ref={virtual.measureElement}
              data-index={index}
              className="absolute inset-x-0 top-0 border-b border-line"
              style={{ transform: `translateY(${start}px)` }}
            >
              <EventRow event={event} isOpen={open.has(event.seq)} onToggle={() => toggle(event.seq)} nav={nav} />
            </li>
          );
        })}
      </ol>
    </div>
  );
};

const TONE: Readonly<Record<string, string>> = {
  run_failed: "text-bad",
  step_failed: "text-bad",
  run_succeeded: "text-ok",
  step_succeeded: "text-ok",
  step_parked: "text-wait",
  cancel_requested: "text-wait",
};

type RowProps = { event: JournalEvent; isOpen: boolean; onToggle: () => void; nav: RunNav };
const EventRow = ({ event, isOpen, onToggle, nav }: RowProps) => {
  const { t } = useTranslation();
  const { nodeId, scope } = event;
  return (
    <>
      <div className="flex items-center gap-3 px-4 text-xs sm:px-6">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={onToggle}
          className="flex h-8 min-w-0 flex-1 items-center gap-3 text-left font-mono outline-offset-[-2px] hover:text-accent"
        >
          <ChevronRight aria-hidden="true" className={cn("size-3.5 shrink-0 text-ink-3 transition-transform", isOpen && "rotate-90")} />
          <span className="tabular w-9 shrink-0 text-right text-ink-3">{event.seq}</span>
          <time className="hidden shrink-0 text-ink-3 sm:inline">{formatClock(Date.parse(event.at))}</time>
          <span className={cn("shrink-0 font-semibold", TONE[event.kind])}>{event.kind}</span>
          {event.attempt > 1 ? (
            <span className="shrink-0 font-sans text-ink-3">{t("run.events.attempt", { count: event.attempt })}</span>
          ) : null}
        </button>
        {nodeId === null ? null : (
          <button
            type="button"
            className="max-w-[45%] truncate rounded font-mono text-ink-2 hover:text-accent hover:underline"
            onClick={() => nav.open({ scope, nodeId })}
          >
            {scope === "" ? nodeId : `${scope.slice(1)}/${nodeId}`}
          </button>
        )}
      </div>
      {isOpen ? (
        <div className="bg-sunken px-4 py-3 sm:pr-6 sm:pl-14">
          <JsonTree value={Json.parse(event.body)} />
        </div>
      ) : null}
    </>
  );
};
