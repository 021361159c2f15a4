import { ChevronLeft, ChevronRight } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { itemsOf, shownStatus, unitOf } from "../../graph/overlay.ts";
import { enclosing, itemScope, type StepRef } from "../../graph/scope.ts";
import { Button } from "../../ui/button.tsx";
import { cn } from "../../ui/cn.ts";
import { StepStatusMark } from "../../ui/status.tsx";
import { previewOfItem } from "./item-preview.ts";
import type { RunModel } from "./run-model.ts";
import type { RunNav } from "./use-run-nav.ts";

/** Of a step inside a container: which item it is about, the way to its neighbours, and the item's other steps. */
export const ItemBar = ({ model, nav, step }: { model: RunModel; nav: RunNav; step: StepRef }) => {
  const { t } = useTranslation();
  const around = enclosing(step.scope);
  const container = around && model.stepAt(around);
  const { definition } = model.view;
  const items = useMemo(
    () => (container && definition ? itemsOf(container, model.index, definition) : []),
    [container, definition, model.index],
  );
  if (!around) return null;
  const unit = unitOf(model.nodeAt(around.nodeId)?.type);
  // Each turn of a team is another member's.
  const goTo = (index: number): void =>
    nav.open({
      nodeId: (unit === "turn" ? items[index]?.firstNode : undefined) ?? step.nodeId,
      scope: itemScope(around.scope, around.nodeId, index),
    });
  const siblings = definition?.nodes.filter((node) => node.parentId === around.nodeId && node.type !== "note") ?? [];
  const item = items[around.index];
  const preview = item && previewOfItem(item);
  return (
    <div className="rounded-xl border border-line bg-sunken p-2">
      <div className="flex items-center gap-1">
        <Button
          variant="ghost"
          size="iconSm"
          aria-label={t(`run.step.previous.${unit}`)}
          disabled={around.index === 0}
          onClick={() => goTo(around.index - 1)}
        >
          <ChevronLeft />
        </Button>
        <p className="min-w-0 flex-1 truncate text-center text-xs">
          <span className="tabular font-semibold">{t(`run.step.unit.${unit}`, { index: around.index + 1 })}</span>
          <span className="tabular text-ink-3"> / {items.length}</span>
          {preview ? <span className="ml-2 text-ink-3">{preview}</span> : null}
        </p>
        <Button
          variant="ghost"
          size="iconSm"
          aria-label={t(`run.step.next.${unit}`)}
          disabled={around.index + 1 >= items.length}
          onClick={() => goTo(around.index + 1)}
        >
          <ChevronRight />
        </Button>
      </div>
      <ul className="mt-1.5 flex flex-wrap gap-1">
        {siblings.map((node) => (
          <li key={node.id}>
            <button
              type="button"
              onClick={() => nav.open({ scope: step.scope, nodeId: node.id })}
              aria-current={node.id === step.nodeId ? "step" : undefined}
              className={cn(
                "flex h-7 items-center gap-1.5 rounded-md border border-transparent px-2 text-xs hover:bg-hover",
                node.id === step.nodeId && "border-line bg-raised font-medium shadow-1",
              )}
            >
              <StepStatusMark
                status={shownStatus(model.stepAt({ scope: step.scope, nodeId: node.id })?.status ?? "pending", model.run.status)}
                wordless
              />
              {model.labels.get(node.id) ?? node.id}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
};
