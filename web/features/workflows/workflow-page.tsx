import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { ChevronLeft, Play } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { usePermission } from "../../api/session.ts";
import { workflowQuery } from "../../api/workflows.ts";
import { keysOf } from "../../commands/commands.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { ErrorState, PageHeader, PageSkeleton, usePageTitle } from "../../ui/page.ts";
import { StartRunDialog } from "./start-run-dialog.tsx";
import { WorkflowTabs } from "./workflow-tabs.tsx";

const route = getRouteApi("/workflows/$workflowId");

export const WorkflowPage = () => {
  const { workflowId } = route.useParams();
  const workflow = useQuery(workflowQuery(workflowId));
  usePageTitle(workflow.data?.name);
  if (workflow.isPending) return <PageSkeleton />;
  if (workflow.isError) return <ErrorState isPage error={workflow.error} onRetry={() => void workflow.refetch()} />;
  return <Loaded workflow={workflow.data} />;
};

const Loaded = ({ workflow }: { workflow: WorkflowDetail }) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:start");
  const [starting, setStarting] = useState(false);
  const run = (): void => setStarting(true);
  useCommands({ runWorkflow: reason === undefined ? run : undefined });
  return (
    <div className="flex h-full min-h-0 flex-col">
      <PageHeader
        className="px-4 pt-4 pb-3 sm:px-6 sm:pt-5"
        above={
          <Link
            to="/workflows"
            className="mb-1 -ml-1 inline-flex items-center gap-0.5 rounded text-xs font-medium text-ink-3 hover:text-ink"
          >
            <ChevronLeft aria-hidden="true" className="size-3.5" />
            {t("workflows.title")}
          </Link>
        }
        title={
          <>
            {workflow.name}{" "}
            <span className="tabular ml-1 text-sm font-medium text-ink-3">{t("common.versionShort", { version: workflow.version })}</span>
          </>
        }
        subtitle={<p className="line-clamp-2 max-w-prose">{workflow.description}</p>}
        actions={
          <GatedButton variant="primary" reason={reason} keys={keysOf("runWorkflow")} onClick={run}>
            <Play />
            {t("workflows.run")}
          </GatedButton>
        }
      />
      <WorkflowTabs workflow={workflow} />
      {starting ? <StartRunDialog workflowId={workflow.id} name={workflow.name} onClose={() => setStarting(false)} /> : null}
    </div>
  );
};
