import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { NodeType } from "#contract/definition.ts";
import type { Workflow } from "#contract/workflows.ts";
import { latestRunsQuery } from "../../api/runs.ts";
import { usePermission } from "../../api/session.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { KindTile } from "../../ui/kind.tsx";
import { Skeleton } from "../../ui/skeleton.tsx";
import { RunStatusBadge } from "../../ui/status.tsx";
import { RelativeTime } from "../../ui/time.tsx";

/** Every workflow begins and ends; only what lies between tells them apart. */
const TELLING = (type: NodeType): boolean => type !== "start" && type !== "end";

export const WorkflowRow = ({ workflow, onRun }: { workflow: Workflow; onRun: () => void }) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:start");
  return (
    <li className="panel relative grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-5 gap-y-3 px-4 py-3.5 transition-[border-color,box-shadow] hover:border-line-strong hover:shadow-2 sm:grid-cols-[minmax(0,1fr)_11rem_auto]">
      <div className="min-w-0">
        <div className="flex items-baseline gap-2">
          <h2 className="truncate text-[0.9375rem] font-semibold">
            <Link
              to="/workflows/$workflowId"
              params={{ workflowId: workflow.id }}
              className="outline-none after:absolute after:inset-0 after:rounded-xl focus-visible:after:outline-2 focus-visible:after:outline-offset-2 focus-visible:after:outline-accent"
            >
              {workflow.name}
            </Link>
          </h2>
          <span className="tabular shrink-0 text-xs text-ink-3" title={t("common.version", { version: workflow.version })}>
            {t("common.versionShort", { version: workflow.version })}
          </span>
        </div>
        {workflow.description ? (
          <p className="mt-0.5 line-clamp-2 max-w-prose text-[0.8125rem] text-ink-3 sm:line-clamp-1">{workflow.description}</p>
        ) : null}
        <div className="mt-2 flex items-center gap-3">
          <span className="flex gap-1" title={t("workflows.agentKinds")}>
            {workflow.nodeTypes.filter(TELLING).map((type) => (
              <KindTile key={type} type={type} titled className="size-6 rounded-[7px]" />
            ))}
          </span>
          <span className="hidden text-xs text-ink-3 sm:inline">
            {t("common.time.updated")} <RelativeTime at={workflow.updatedAt} />
          </span>
        </div>
      </div>
      <LastRun workflowId={workflow.id} />
      <GatedButton reason={reason} onClick={onRun} className="relative col-start-2 row-start-1 sm:col-start-3">
        <Play />
        {t("workflows.run")}
        <span className="sr-only">{workflow.name}</span>
      </GatedButton>
    </li>
  );
};

const LastRun = ({ workflowId }: { workflowId: string }) => {
  const { t } = useTranslation();
  const { data, isPending } = useQuery(latestRunsQuery(workflowId, 1));
  const [run] = data ?? [];
  if (isPending) return <Skeleton className="h-5 w-28" />;
  if (!run) return <span className="col-span-2 text-xs text-ink-3 sm:col-span-1">{t("workflows.neverRun")}</span>;
  return (
    <Link
      to="/runs/$runId"
      params={{ runId: run.id }}
      className="relative col-span-2 flex flex-wrap items-center gap-x-2 gap-y-0.5 rounded-md text-xs text-ink-3 hover:text-ink sm:col-span-1 sm:flex-col sm:items-start"
    >
      <span className="sr-only">{t("workflows.lastRun")}</span>
      <RunStatusBadge status={run.status} />
      <RelativeTime at={run.createdAt} />
    </Link>
  );
};
