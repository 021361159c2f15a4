import { Drawer } from "../../ui/dialog.tsx";
import { useNarrow } from "../../ui/use-narrow.ts";
import type { RunModel } from "./run-model.ts";
import { RunResult } from "./run-result.tsx";
import { StepPanel } from "./step-panel.tsx";
import type { RunNav } from "./use-run-nav.ts";

type Props = { model: RunModel; nav: RunNav };

/** The chosen step, or the result of the run: beside the views where there is room, else over and under them. */
export const RunSide = (props: Props) => (useNarrow("noPanel") ? <Narrow {...props} /> : <Side {...props} />);

const Side = ({ model, nav }: Props) => (
  <aside className="w-[25rem] shrink-0 overflow-y-auto border-l border-line xl:w-[28rem]">
    {nav.step ? <StepPanel model={model} nav={nav} step={nav.step} /> : <RunResult model={model} nav={nav} />}
  </aside>
);

const Narrow = ({ model, nav }: Props) => {
  const name = nav.step ? (model.labels.get(nav.step.nodeId) ?? nav.step.nodeId) : "";
  return (
    <>
      {nav.tab === "graph" ? <RunResult model={model} nav={nav} /> : null}
      <Drawer open={nav.step !== undefined} onOpenChange={(open) => (open ? undefined : nav.close())} title={name}>
        <div className="min-h-0 flex-1 overflow-y-auto border-t border-line">
          {nav.step ? <StepPanel model={model} nav={nav} step={nav.step} inDrawer /> : null}
        </div>
      </Drawer>
    </>
  );
};
