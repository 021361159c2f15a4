import { Link } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { CircleAlert } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { McpServer } from "#contract/mcp/servers.ts";
import { Badge } from "../../ui/badge.tsx";
import { DataTable, columnsFor } from "../../ui/data-table.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { launchLine, shortLaunchLine } from "./launch-line.ts";
import { ServerButtons } from "./server-buttons.tsx";
import { ServerStateBadge } from "./server-state.tsx";

const column = columnsFor<McpServer>();

const columnsIn = (t: TFunction) =>
  column.columns([
    column.display({ id: "server", header: t("mcp.columns.server"), cell: ({ row }) => <NameCell server={row.original} /> }),
    column.display({ id: "state", header: t("mcp.columns.state"), cell: ({ row }) => <ServerStateBadge state={row.original.state} /> }),
    column.display({ id: "tools", header: t("mcp.columns.tools"), cell: ({ row }) => t("mcp.tools", { count: row.original.toolCount }) }),
    column.display({
      id: "since",
      header: t("mcp.columns.since"),
      cell: ({ row: { original } }) => (original.startedAt ? <RelativeTime at={original.startedAt} /> : <span aria-hidden="true">–</span>),
    }),
    column.display({
      id: "actions",
      header: () => <span className="sr-only">{t("mcp.columns.actions")}</span>,
      cell: ({ row }) => <ServerButtons server={row.original} />,
    }),
  ]);

const CELLS = {
  server: "col-span-2 sm:col-span-1",
  state: "row-start-2 sm:row-start-auto",
  tools: "tabular hidden text-[0.8125rem] text-ink-2 sm:block",
  since: "hidden truncate text-xs text-ink-3 sm:block",
  actions: "row-start-2 justify-self-end sm:row-start-auto",
} as const;

export const ServerTable = ({ servers }: { servers: McpServer[] }) => {
  const { t } = useTranslation();
  const columns = useMemo(() => columnsIn(t), [t]);
  return (
    <DataTable
      label={t("mcp.table")}
      rows={servers}
      rowKey={(server) => server.id}
      columns={columns}
      template="grid-cols-[auto_1fr] gap-y-2 sm:grid-cols-[minmax(0,1fr)_7.5rem_4.5rem_7rem_6rem]"
      cellClass={CELLS}
      rowHeight={60}
    />
  );
};

const NameCell = ({ server }: { server: McpServer }) => {
  const { t } = useTranslation();
  return (
    <div className="min-w-0">
      <div className="flex items-center gap-2">
        <Link
          to="/mcp-servers"
          search={{ open: server.id }}
          className="truncate font-medium outline-none after:absolute after:inset-0 focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {server.name}
        </Link>
        {server.confinement === "unconfined" ? (
          <Badge className="h-5 text-2xs" title={t("mcp.unconfinedHint")}>
            {t("mcp.unconfined")}
          </Badge>
        ) : null}
        {server.launchApproved ? null : (
          <Badge tone="wait" className="h-5 text-2xs">
            {t("mcp.launchPending")}
          </Badge>
        )}
      </div>
      {server.lastError && server.state !== "READY" ? (
        <p className="mt-0.5 flex items-start gap-1.5 text-xs text-bad">
          <CircleAlert aria-hidden="true" className="mt-0.5 size-3.5 shrink-0" />
          <span className="line-clamp-2">
            {server.lastError.message} <span className="text-ink-2">{server.lastError.remedy}</span>
          </span>
        </p>
      ) : (
        <p className="mt-0.5 truncate font-mono text-2xs text-ink-3" title={launchLine(server.launch)}>
          {shortLaunchLine(server.launch)}
        </p>
      )}
    </div>
  );
};
