import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Bot } from "lucide-react";
import { useTranslation } from "react-i18next";
import { agentsQuery } from "../../api/agents.ts";
import { buttonClass } from "../../ui/button.tsx";
import { EmptyState, ErrorState, PageHeader, SkeletonRows, usePageTitle } from "../../ui/page.ts";
import { AgentDrawer } from "./agent-drawer.tsx";
import { AgentTable } from "./agent-table.tsx";

const route = getRouteApi("/agents");

export const AgentsPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("agents.title"));
  const navigate = useNavigate();
  const { open } = route.useSearch();
  const agents = useQuery(agentsQuery);
  const opened = agents.data?.find((agent) => agent.id === open);
  return (
    <div className="mx-auto flex max-w-6xl flex-col gap-5 p-4 sm:p-7">
      <PageHeader title={t("agents.title")} subtitle={t("agents.subtitle")} />
      {agents.isPending ? <SkeletonRows rows={4} className="h-14" /> : null}
      {agents.isError && !agents.data ? <ErrorState error={agents.error} onRetry={() => void agents.refetch()} /> : null}
      {agents.data?.length === 0 ? (
        <EmptyState icon={<Bot />} title={t("agents.empty.title")} detail={t("agents.empty.detail")}>
          <a href="/docs" className={buttonClass({ variant: "primary" })}>
            {t("agents.empty.action")}
          </a>
        </EmptyState>
      ) : null}
      {agents.data && agents.data.length > 0 ? <AgentTable agents={agents.data} /> : null}
      {opened ? <AgentDrawer agent={opened} onClose={() => void navigate({ to: "/agents", search: {}, replace: true })} /> : null}
    </div>
  );
};
