import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Run } from "#contract/runs.ts";
import { journalQuery, type RunView } from "../../api/journal.ts";
import { runQuery } from "../../api/runs.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { Drawer } from "../../ui/dialog.tsx";
import { ErrorState, PageSkeleton, usePageTitle } from "../../ui/page.ts";
import { useNarrow } from "../../ui/use-narrow.ts";
import { Questions } from "./questions.tsx";
import { RunHeader } from "./run-header.tsx";
import { useRunModel, type RunModel } from "./run-model.ts";
import { RunResult } from "./run-result.tsx";
import { RunViews } from "./run-views.tsx";
import { StepPanel } from "./step-panel.tsx";
import { useRunNav, type RunNav } from "./use-run-nav.ts";

export const RunPage = () => {
  const { t } = useTranslation();
  const nav = useRunNav();
  const run = useQuery(runQuery(nav.runId));
  const journal = useQuery(journalQuery(nav.runId));
  usePageTitle(run.data ? t("run.title", { workflow: run.data.workflowName }) : undefined);
  // What has been read stays on the page when a later reading fails; the banner tells of that.
  if (run.data && journal.data) return <Loaded run={run.data} view={journal.data} nav={nav} />;
  const failed = run.error ? run : journal.error ? journal : undefined;
  if (failed) return <ErrorState error={failed.error} onRetry={() => void Promise.all([run.refetch(), journal.refetch()])} />;
  return <PageSkeleton />;
};

const Loaded = ({ run, view, nav }: { run: Run; view: RunView; nav: RunNav }) => {
  const model = useRunModel(run, view);
  const hasNoPanel = useNarrow("noPanel");
  useCommands({
    tabGraph: () => nav.setTab("graph"),
    tabTimeline: () => nav.setTab("timeline"),
    tabMessages: () => nav.setTab("messages"),
    tabEvents: () => nav.setTab("events"),
    closeStep: nav.step ? nav.close : undefined,
  });
  return (
    <div className="flex min-h-full flex-col lg:h-full">
      <RunHeader run={run} />
      <Questions run={run} labels={model.labels} onOpen={(step) => nav.open(step)} />
      <div className="flex min-h-0 flex-1 flex-col lg:flex-row">
        <RunViews model={model} nav={nav} />
        {hasNoPanel ? <Narrow model={model} nav={nav} /> : <Side model={model} nav={nav} />}
      </div>
    </div>
  );
};

const Side = ({ model, nav }: { model: RunModel; nav: RunNav }) => (
  <aside className="w-[25rem] shrink-0 overflow-y-auto border-l border-line xl:w-[28rem]">
    {nav.step ? <StepPanel model={model} nav={nav} step={nav.step} /> : <RunResult model={model} nav={nav} />}
  </aside>
);

const Narrow = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const name = nav.step ? (model.labels.get(nav.step.nodeId) ?? nav.step.nodeId) : "";
  return (
    <>
      {nav.tab === "graph" ? <RunResult model={model} nav={nav} /> : null}
      <Drawer open={nav.step !== undefined} onOpenChange={(open) => (open ? undefined : nav.close())} title={t("run.step.label", { name })}>
        <div className="min-h-0 flex-1 overflow-y-auto border-t border-line">
          {nav.step ? <StepPanel model={model} nav={nav} step={nav.step} inDrawer /> : null}
        </div>
      </Drawer>
    </>
  );
};
