import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Run } from "#contract/runs.ts";
import { journalQuery, type RunView } from "../../api/journal.ts";
import { runQuery } from "../../api/runs.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { ErrorState, PageSkeleton, usePageTitle } from "../../ui/page.ts";
import { RunApprovals } from "../approvals/run-approvals.tsx";
import { Questions } from "./questions.tsx";
import { RunHeader } from "./run-header.tsx";
import { RunNotice } from "./run-notice.tsx";
import { useRunModel } from "./run-model.ts";
import { RunSide } from "./run-side.tsx";
import { RunViews } from "./run-views.tsx";
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
  if (failed) return <ErrorState isPage error={failed.error} onRetry={() => void Promise.all([run.refetch(), journal.refetch()])} />;
  return <PageSkeleton />;
};

const Loaded = ({ run, view, nav }: { run: Run; view: RunView; nav: RunNav }) => {
  const model = useRunModel(run, view);
  useCommands({
    tabGraph: () => nav.setTab("graph"),
    tabTimeline: () => nav.setTab("timeline"),
    tabMessages: () => nav.setTab("messages"),
    tabEvents: () => nav.setTab("events"),
    closeStep: nav.step ? nav.close : undefined,
  });
  return (
    <div className="flex min-h-full flex-col lg:h-full">
      <RunHeader run={run} created={view.events[0]} />
      <RunNotice model={model} nav={nav} />
      <RunApprovals run={run} />
      <Questions run={run} labels={model.labels} onOpen={(step) => nav.open(step)} />
      <div className="flex min-h-0 flex-1 flex-col lg:flex-row">
        <RunViews model={model} nav={nav} />
        <RunSide model={model} nav={nav} />
      </div>
    </div>
  );
};
