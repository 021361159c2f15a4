import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { RunSummary } from "#contract/runs.ts";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { latestRunsQuery } from "../../api/runs.ts";
import { KindTile } from "../../ui/kind.tsx";
import { ErrorState, SkeletonRows } from "../../ui/page.ts";
import { RunStatusIcon } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";

const SHOWN_RUNS = 8;

/** What the workflow is made of, and how it went lately. */
export const RecentRuns = ({ workflow }: { workflow: WorkflowDetail }) => {
  const { t } = useTranslation();
  const runs = useQuery(latestRunsQuery(workflow.id, SHOWN_RUNS));
  return (
    <div className="flex flex-col gap-6">
      <section aria-labelledby="recent-runs">
        <h2 id="recent-runs" className="eyebrow mb-2">
          {t("workflows.recentRuns")}
        </h2>
        {runs.isPending ? <SkeletonRows rows={3} className="h-10" /> : null}
        {runs.isError ? <ErrorState error={runs.error} onRetry={() => void runs.refetch()} className="py-4" /> : null}
        {runs.data?.length === 0 ? <p className="text-[0.8125rem] text-ink-3">{t("workflows.noRuns")}</p> : null}
        <ul className="-mx-2 flex flex-col">
          {runs.data?.map((run) => (
            <RunLine key={run.id} run={run} />
          ))}
        </ul>
        {runs.data && runs.data.length > 0 ? (
          <Link
            to="/runs"
            search={{ workflow: workflow.id }}
            className="mt-2 inline-block text-[0.8125rem] font-medium text-accent hover:underline"
          >
            {t("workflows.allRuns")}
          </Link>
        ) : null}
      </section>
      <section aria-labelledby="about-workflow" className="text-[0.8125rem]">
        <h2 id="about-workflow" className="eyebrow mb-2">
          {t("workflows.about")}
        </h2>
        <p className="text-ink-2">{t("workflows.steps", { count: workflow.definition.nodes.length })}</p>
        <ul className="mt-2 flex flex-col gap-1.5">
          {workflow.nodeTypes.map((type) => (
            <li key={type} className="flex items-center gap-2">
              <KindTile type={type} className="size-6 rounded-[7px]" />
              <span className="flex-1">{t(`canvas.type.${type}`)}</span>
              <span className="tabular text-ink-3">{workflow.definition.nodes.filter((node) => node.type === type).length}</span>
            </li>
          ))}
        </ul>
        <p className="mt-4 text-xs text-ink-3">
          {t("common.time.created")} <RelativeTime at={workflow.createdAt} /> · {t("common.time.updated").toLowerCase()}{" "}
          <RelativeTime at={workflow.updatedAt} />
        </p>
      </section>
    </div>
  );
};

const RunLine = ({ run }: { run: RunSummary }) => (
  <li>
    <Link
      to="/runs/$runId"
      params={{ runId: run.id }}
      className="flex items-center gap-2.5 rounded-lg px-2 py-2 text-[0.8125rem] hover:bg-hover"
    >
      <RunStatusIcon status={run.status} />
      <RelativeTime at={run.createdAt} className="flex-1" />
      <span className="tabular text-xs text-ink-3">{run.startedAt ? <Duration from={run.startedAt} to={run.finishedAt} /> : null}</span>
    </Link>
  </li>
);
