import { ArrowLeft, X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { WorkflowNode } from "#contract/definition.ts";
import { isInsideMap } from "../../graph/overlay.ts";
import { nodeSubtitle } from "../../graph/describe-node.ts";
import { enclosing, type StepRef } from "../../graph/scope.ts";
import { Button } from "../../ui/button.tsx";
import { KindTile } from "../../ui/kind.tsx";
import { ItemBar } from "./item-bar.tsx";
import { ItemPicker } from "./item-picker.tsx";
import type { RunModel } from "./run-model.ts";
import { StepDetails } from "./step-details.tsx";
import type { RunNav } from "./use-run-nav.ts";

type Props = { model: RunModel; nav: RunNav; step: StepRef; inDrawer?: boolean };

/** One step of the run. Of a node inside a `map`, when no item is chosen: the items, to choose from. */
export const StepPanel = ({ model, nav, step, inDrawer = false }: Props) => {
  const { t } = useTranslation();
  const { definition } = model.view;
  const node = definition?.nodes.find(({ id }) => id === step.nodeId);
  const map = mapOf(model, step);
  return (
    <section
      aria-label={t("run.step.label", { name: model.labels.get(step.nodeId) ?? step.nodeId })}
      className="flex flex-col gap-4 p-4 lg:p-5"
    >
      <Head
        nodeId={step.nodeId}
        node={node}
        label={model.labels.get(step.nodeId) ?? step.nodeId}
        onClose={inDrawer ? undefined : nav.close}
      >
        {map ? <BackToMap label={model.labels.get(map.nodeId) ?? map.nodeId} onClick={() => nav.open(map)} /> : null}
      </Head>
      <ItemBar model={model} nav={nav} step={step} />
      {definition && node?.parentId !== undefined && step.scope === "" && isInsideMap(definition, node.id) ? (
        <ItemPicker model={model} mapId={node.parentId} nodeId={node.id} onPick={nav.open} />
      ) : (
        <StepDetails model={model} nav={nav} step={step} />
      )}
      {node?.type === "map" ? <ItemPicker model={model} mapId={node.id} scope={step.scope} onPick={nav.open} /> : null}
    </section>
  );
};

/** The `map` step whose item the step belongs to. */
function mapOf({ view }: RunModel, { scope, nodeId }: StepRef): StepRef | undefined {
  const around = enclosing(scope);
  if (around) return { scope: around.scope, nodeId: around.nodeId };
  const parentId = view.definition?.nodes.find(({ id }) => id === nodeId)?.parentId;
  return parentId === undefined ? undefined : { scope: "", nodeId: parentId };
}

type HeadProps = { nodeId: string; node: WorkflowNode | undefined; label: string; onClose: (() => void) | undefined; children: ReactNode };
const Head = ({ nodeId, node, label, onClose, children }: HeadProps) => {
  const { t } = useTranslation();
  return (
    <header className="flex items-start gap-3">
      {node ? <KindTile type={node.type} /> : null}
      <div className="min-w-0 flex-1">
        {children}
        {onClose ? <h2 className="truncate text-[0.9375rem] font-semibold">{label}</h2> : null}
        <p className="truncate text-xs text-ink-3">
          {node ? `${t(`canvas.type.${node.type}`)} · ${nodeSubtitle(node) || nodeId}` : <code className="font-mono">{nodeId}</code>}
        </p>
      </div>
      {onClose ? (
        <Button variant="ghost" size="iconSm" aria-label={t("run.step.close")} onClick={onClose}>
          <X />
        </Button>
      ) : null}
    </header>
  );
};

const BackToMap = ({ label, onClick }: { label: string; onClick: () => void }) => {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      onClick={onClick}
      className="mb-0.5 flex max-w-full items-center gap-1 rounded text-xs font-medium text-ink-3 hover:text-ink"
    >
      <ArrowLeft aria-hidden="true" className="size-3 shrink-0" />
      <span className="truncate">{t("run.step.backToMap", { name: label })}</span>
    </button>
  );
};
