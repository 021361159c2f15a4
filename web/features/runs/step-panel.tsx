import { ArrowLeft, X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { NodeType, WorkflowNode } from "#contract/definition.ts";
import { containersOf, unitOf } from "../../graph/overlay.ts";
import { nodeSubtitle } from "../../graph/describe-node.ts";
import { enclosing, iterationsOf, type StepRef } from "../../graph/scope.ts";
import { Button } from "../../ui/button.tsx";
import { KindTile } from "../../ui/kind.tsx";
import { ItemBar } from "./item-bar.tsx";
import { ItemPicker } from "./item-picker.tsx";
import type { RunModel } from "./run-model.ts";
import { StepDetails } from "./step-details.tsx";
import type { RunNav } from "./use-run-nav.ts";

type Props = { model: RunModel; nav: RunNav; step: StepRef; inDrawer?: boolean };

/** One step of the run. Of a node inside a container, when no item is chosen: the items, to choose from. */
export const StepPanel = ({ model, nav, step, inDrawer = false }: Props) => {
  const { t } = useTranslation();
  const { definition } = model.view;
  const node = model.nodeAt(step.nodeId);
  const container = containerOf(model, step);
  const around = definition ? containersOf(definition, step.nodeId) : [];
  const unchosen = around[iterationsOf(step.scope).length];
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
        {container ? <BackTo container={container} model={model} onClick={() => nav.open(container)} /> : null}
      </Head>
      <ItemBar model={model} nav={nav} step={step} />
      {unchosen !== undefined ? (
        <ItemPicker model={model} containerId={unchosen} scope={step.scope} nodeId={step.nodeId} onPick={nav.open} />
      ) : (
        <StepDetails model={model} nav={nav} step={step} />
      )}
      {unchosen === undefined && model.stepAt(step) && isContainer(node?.type) ? (
        <ItemPicker model={model} containerId={step.nodeId} scope={step.scope} onPick={nav.open} />
      ) : null}
    </section>
  );
};

const isContainer = (type: NodeType | undefined): boolean => type === "map" || type === "loop" || type === "team";

/** The container's step whose item the step belongs to. */
function containerOf({ nodeAt }: RunModel, { scope, nodeId }: StepRef): StepRef | undefined {
  const around = enclosing(scope);
  if (around) return { scope: around.scope, nodeId: around.nodeId };
  const parentId = nodeAt(nodeId)?.parentId;
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

const BackTo = ({ container, model, onClick }: { container: StepRef; model: RunModel; onClick: () => void }) => {
  const { t } = useTranslation();
  const unit = unitOf(model.nodeAt(container.nodeId)?.type);
  const name = model.labels.get(container.nodeId) ?? container.nodeId;
  return (
    <button
      type="button"
      onClick={onClick}
      className="mb-0.5 flex max-w-full items-center gap-1 rounded text-xs font-medium text-ink-3 hover:text-ink"
    >
      <ArrowLeft aria-hidden="true" className="size-3 shrink-0" />
      <span className="truncate">{t(`run.step.backTo.${unit}`, { name })}</span>
    </button>
  );
};
