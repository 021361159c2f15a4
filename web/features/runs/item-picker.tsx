import { useVirtualRows } from "../../ui/virtual.ts";
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { firstStepOfItem, itemsOf, shownStatus, unitOf, type ContainerItem, type ItemUnit } from "../../graph/overlay.ts";
import type { StepRef } from "../../graph/scope.ts";
import { Input } from "../../ui/field.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { previewOfItem } from "./item-preview.ts";
import type { RunModel } from "./run-model.ts";

const FILTERS = ["all", "failed", "running", "succeeded"] as const;
type Filter = (typeof FILTERS)[number];
const ROW_HEIGHT = 34;
/** A search field is worth its room only for a long list. */
const MANY_ITEMS = 8;

type Props = {
  model: RunModel;
  containerId: string;
  /** The container's steps in here, for containers inside others. */
  scope: string;
  /** The node to open in the chosen item; without it, the one that tells most. */
  nodeId?: string;
  onPick: (step: StepRef) => void;
};

type Listed = ContainerItem & { preview: string };

/** The items of a `map`, rounds of a `loop` or turns of a `team`, to choose one. */
export const ItemPicker = ({ model, containerId, scope, nodeId, onPick }: Props) => {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<Filter>("all");
  const [search, setSearch] = useState("");
  const items = useMemo(() => listed(model, containerId, scope), [model, containerId, scope]);
  const unit = unitOf(model.nodeAt(containerId)?.type);
  const wanted = search.trim().toLowerCase();
  const shown = items.filter(
    (item) => fits(item, filter) && (wanted === "" || item.preview.toLowerCase().includes(wanted) || String(item.index + 1) === wanted),
  );
  const pick = (item: ContainerItem): void =>
    onPick({ scope: item.scope, nodeId: nodeId ?? firstStepOfItem(item)?.nodeId ?? item.firstNode });
  return (
    <section aria-label={t(`run.step.choose.${unit}`)} className="flex flex-col gap-2">
      <h3 className="eyebrow">
        {t(`run.step.units.${unit}`)} <span className="tabular">({items.length})</span>
      </h3>
      {items.length > MANY_ITEMS ? (
        <>
          <Segmented
            label={t(`run.step.choose.${unit}`)}
            value={filter}
            onChange={setFilter}
            options={FILTERS.map((value) => ({ value, label: t(`run.step.itemFilters.${value}`) }))}
            className="self-start"
          />
          <Input
            aria-label={t("run.step.itemFilter")}
            placeholder={t("run.step.itemFilter")}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        </>
      ) : null}
      {shown.length === 0 ? (
        <p className="py-3 text-[0.8125rem] text-ink-3">{t("run.step.noItems")}</p>
      ) : (
        <Items items={shown} onPick={pick} model={model} unit={unit} />
      )}
    </section>
  );
};

type ItemsProps = { items: readonly Listed[]; onPick: (item: ContainerItem) => void; model: RunModel; unit: ItemUnit };
const Items = ({ items, onPick, model, unit }: ItemsProps) => {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualRows({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  return (
    <div ref={scroller} className="max-h-80 overflow-y-auto rounded-xl border border-line bg-raised">
      <ul className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          if (!item) return null;
          return (
            <li key={item.scope} className="absolute inset-x-0 top-0" style={{ transform: `translateY(${start}px)` }}>
              <button
                type="button"
                onClick={() => onPick(item)}
                style={{ height: ROW_HEIGHT }}
                className="flex w-full items-center gap-2.5 px-3 text-left text-[0.8125rem] outline-offset-[-2px] hover:bg-hover"
              >
                <span
                  className="tabular w-8 shrink-0 text-xs text-ink-3"
                  aria-label={t(`run.step.unit.${unit}`, { index: item.index + 1 })}
                >
                  {item.index + 1}
                </span>
                <span className="min-w-0 flex-1 truncate">{item.preview || t(`run.step.unit.${unit}`, { index: item.index + 1 })}</span>
                <StepStatusMark status={shownStatus(item.status, model.run.status)} wordless />
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
};

function listed(model: RunModel, containerId: string, scope: string): Listed[] {
  const { definition } = model.view;
  if (!definition) return [];
  return (model.index.get(containerId) ?? [])
    .filter((step) => step.scope === scope || step.scope.startsWith(`${scope}/`))
    .flatMap((step) => itemsOf(step, model.index, definition).map((item) => ({ ...item, preview: previewOfItem(item) })));
}

function fits({ status }: ContainerItem, filter: Filter): boolean {
  if (filter === "all") return true;
  if (filter === "running") return status === "running" || status === "waiting" || status === "retrying" || status === "parked";
  return status === filter;
}
