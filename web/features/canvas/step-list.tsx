import { useTranslation } from "react-i18next";
import type { WorkflowNode } from "#contract/definition.ts";
import { labelsOf, nodeLabel, nodeSubtitle } from "../../graph/describe-node.ts";
import { holdsNodes, inFlowOrder } from "../../graph/to-flow.ts";
import { cn } from "../../ui/cn.ts";
import { KindTile } from "../../ui/kind.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { countText } from "./count-text.ts";
import type { GraphProps } from "./flow-elements.ts";

/** The graph as a list in the order of the flow, with what follows each step; a container holds its steps. */
export const StepList = (props: GraphProps) => {
  const { t } = useTranslation();
  return (
    <div className="size-full overflow-y-auto p-4 pb-16">
      <div className="mx-auto max-w-2xl">
        <Level {...props} parentId={undefined} label={t("canvas.listLabel")} />
      </div>
    </div>
  );
};

const Level = ({ parentId, label, ...props }: GraphProps & { parentId: string | undefined; label: string }) => (
  <ol aria-label={label} className={cn("flex flex-col gap-1.5", parentId !== undefined && "mt-1.5 ml-5 border-l-2 border-line pl-3")}>
    {inFlowOrder(props.definition, parentId).map((node) => (
      <li key={node.id}>
        <Row {...props} node={node} />
        {holdsNodes(node.type) ? <Level {...props} parentId={node.id} label={nodeLabel(node)} /> : null}
      </li>
    ))}
  </ol>
);

const Row = ({ node, definition, overlays, chosen, onOpen }: GraphProps & { node: WorkflowNode }) => {
  const { t } = useTranslation();
  const labels = labelsOf(definition);
  const next = definition.edges.filter((edge) => edge.source === node.id).map((edge) => labels.get(edge.target) ?? edge.target);
  const overlay = overlays?.get(node.id);
  const about = [t(`canvas.type.${node.type}`), nodeSubtitle(node)].filter(Boolean).join(" · ");
  return (
    <button
      type="button"
      onClick={() => onOpen?.(node.id)}
      aria-current={node.id === chosen ? "step" : undefined}
      className={cn(
        "flex w-full items-center gap-3 rounded-xl border border-line bg-raised px-3 py-2 text-left shadow-1 hover:border-line-strong",
        node.id === chosen && "border-accent",
      )}
    >
      <KindTile type={node.type} className="size-8" />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-[0.8125rem] font-semibold">{nodeLabel(node)}</span>
        <span className="block truncate text-2xs text-ink-3">
          {about}
          {next.length > 0 ? ` · ${t("canvas.next", { names: next.join(", ") })}` : ""}
        </span>
      </span>
      {overlay?.items ? <span className="tabular text-xs text-ink-2">{countText(overlay.items, t)}</span> : null}
      {overlay ? <StepStatusMark status={overlay.status} /> : null}
    </button>
  );
};
