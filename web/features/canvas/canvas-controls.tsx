import { useReactFlow } from "@xyflow/react";
import { List, Maximize, Minus, Plus, Workflow } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useCommands } from "../../commands/use-commands.ts";
import { Button } from "../../ui/button.tsx";
import { Tooltip } from "../../ui/tooltip.tsx";

type Props = { asList: boolean; onAsList: (asList: boolean) => void };

export const CanvasControls = ({ asList, onAsList }: Props) => {
  const { t } = useTranslation();
  const { fitView, zoomIn, zoomOut, zoomTo } = useReactFlow();
  const actions = useMemo(
    () => ({
      fit: () => void fitView({ padding: 0.08, maxZoom: 1, duration: 200 }),
      zoomIn: () => void zoomIn({ duration: 120 }),
      zoomOut: () => void zoomOut({ duration: 120 }),
      resetZoom: () => void zoomTo(1, { duration: 160 }),
    }),
    [fitView, zoomIn, zoomOut, zoomTo],
  );
  useCommands(asList ? {} : actions);
  return (
    <div className="absolute bottom-3 left-3 z-10 flex items-center gap-0.5 rounded-xl border border-line bg-raised p-0.5 shadow-1">
      {asList ? null : (
        <>
          <Control label={t("canvas.zoomOut")} keys="minus" onClick={actions.zoomOut}>
            <Minus />
          </Control>
          <Control label={t("canvas.fit")} keys="1" onClick={actions.fit}>
            <Maximize />
          </Control>
          <Control label={t("canvas.zoomIn")} keys="plus" onClick={actions.zoomIn}>
            <Plus />
          </Control>
          <span aria-hidden="true" className="mx-0.5 h-4 w-px bg-line" />
        </>
      )}
      <Control label={asList ? t("canvas.asGraph") : t("canvas.asList")} onClick={() => onAsList(!asList)}>
        {asList ? <Workflow /> : <List />}
      </Control>
    </div>
  );
};

const Control = ({ label, keys, onClick, children }: { label: string; keys?: string; onClick: () => void; children: ReactNode }) => (
  <Tooltip label={label} keys={keys}>
    <Button variant="ghost" size="iconSm" aria-label={label} onClick={onClick}>
      {children}
    </Button>
  </Tooltip>
);
