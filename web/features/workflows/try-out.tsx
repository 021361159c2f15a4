import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { nodeLabel } from "../../graph/describe-node.ts";

type Props = {
  workflow: WorkflowDetail;
  /** The steps to stop before; undefined for a production run. */
  value: readonly string[] | undefined;
  onChange: (value: readonly string[] | undefined) => void;
};

/** Whether the run is for trying the workflow out, and before which steps it shall stop. */
export const TryOut = ({ workflow, value, onChange }: Props) => {
  const { t } = useTranslation();
  const id = useId();
  const nodes = workflow.definition.nodes.filter(({ type }) => type !== "note" && type !== "start");
  const toggle = (nodeId: string, checked: boolean): void =>
    onChange(checked ? [...(value ?? []), nodeId] : value?.filter((other) => other !== nodeId));
  return (
    <div className="flex flex-col gap-2 text-[0.8125rem]">
      <label className="flex w-fit items-center gap-2 font-medium">
        <input
          type="checkbox"
          className="accent-accent"
          checked={value !== undefined}
          aria-describedby={`${id}-hint`}
          onChange={(event) => onChange(event.target.checked ? [] : undefined)}
        />
        {t("workflows.tryOut")}
      </label>
      <p id={`${id}-hint`} className="text-xs text-ink-3">
        {t("workflows.tryOutHint")}
      </p>
      {value === undefined ? null : (
        <fieldset className="max-h-44 overflow-y-auto rounded-lg border border-line px-3 pt-1 pb-2">
          <legend className="px-1 text-xs text-ink-3">{t("workflows.breakpoints")}</legend>
          {nodes.map((node) => (
            <label key={node.id} className="flex items-center gap-2 py-0.5">
              <input
                type="checkbox"
                className="accent-accent"
                checked={value.includes(node.id)}
                onChange={(event) => toggle(node.id, event.target.checked)}
              />
              <span className="truncate">{nodeLabel(node)}</span>
            </label>
          ))}
        </fieldset>
      )}
    </div>
  );
};
