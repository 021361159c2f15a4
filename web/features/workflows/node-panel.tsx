import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Json } from "#contract/common.ts";
import type { WorkflowNode } from "#contract/definition.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { nodeLabel } from "../../graph/describe-node.ts";
import { Button } from "../../ui/button.tsx";
import { ValueView } from "../../ui/json-view.tsx";
import { KindTile } from "../../ui/kind.tsx";

/** What a node is set up to do. */
export const NodePanel = ({ node, onClose }: { node: WorkflowNode; onClose: () => void }) => {
  const { t } = useTranslation();
  useCommands({ closeStep: onClose });
  return (
    <section aria-label={nodeLabel(node)} className="flex flex-col gap-4">
      <header className="flex items-start gap-3">
        <KindTile type={node.type} />
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-semibold">{nodeLabel(node)}</h2>
          <p className="text-xs text-ink-3">
            {t(`canvas.type.${node.type}`)} · <code className="font-mono">{node.id}</code>
          </p>
        </div>
        <Button variant="ghost" size="iconSm" aria-label={t("run.step.close")} onClick={onClose}>
          <X />
        </Button>
      </header>
      <ValueView value={Json.parse(node.data)} label={t("workflows.settings")} />
      {node.policy ? <ValueView value={Json.parse(node.policy)} label={t("workflows.policy")} /> : null}
    </section>
  );
};
