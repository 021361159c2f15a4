import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Plug } from "lucide-react";
import { useTranslation } from "react-i18next";
import { mcpServersQuery } from "../../api/mcp.ts";
import { CommandLine } from "../../ui/copy-button.tsx";
import { EmptyState, ErrorState, PageHeader, SkeletonRows, usePageTitle } from "../../ui/page.ts";
import { ServerDrawer } from "./server-drawer.tsx";
import { ServerTable } from "./server-table.tsx";

const route = getRouteApi("/mcp-servers");

export const McpServersPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("mcp.title"));
  const navigate = useNavigate();
  const { open } = route.useSearch();
  const servers = useQuery(mcpServersQuery);
  const opened = servers.data?.find((server) => server.id === open);
  return (
    <div className="mx-auto flex max-w-6xl flex-col gap-5 p-4 sm:p-7">
      <PageHeader title={t("mcp.title")} subtitle={t("mcp.subtitle")} />
      {servers.isPending ? <SkeletonRows rows={4} className="h-14" /> : null}
      {servers.isError && !servers.data ? <ErrorState error={servers.error} onRetry={() => void servers.refetch()} /> : null}
      {servers.data?.length === 0 ? (
        <EmptyState icon={<Plug />} title={t("mcp.empty.title")} detail={t("mcp.empty.detail")}>
          <CommandLine command={t("mcp.empty.command")} />
        </EmptyState>
      ) : null}
      {servers.data && servers.data.length > 0 ? <ServerTable servers={servers.data} /> : null}
      {opened ? <ServerDrawer server={opened} onClose={() => void navigate({ to: "/mcp-servers", search: {}, replace: true })} /> : null}
    </div>
  );
};
