import { Link } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Agent } from "#contract/agents.ts";
import { DataTable, columnsFor } from "../../ui/data-table.tsx";
import { KindTile } from "../../ui/kind.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { AgentStatusBadge, STEP_OF_KIND } from "./agent-looks.tsx";

const column = columnsFor<Agent>();

const columnsIn = (t: TFunction) =>
  column.columns([
    column.display({ id: "agent", header: t("agents.columns.agent"), cell: ({ row }) => <NameCell agent={row.original} /> }),
    column.display({ id: "kind", header: t("agents.columns.kind"), cell: ({ row }) => t(`agents.kind.${row.original.endpoint.kind}`) }),
    column.display({ id: "skills", header: t("agents.columns.skills"), cell: ({ row }) => offerOf(row.original, t) }),
    column.display({
      id: "status",
      header: t("agents.columns.status"),
      cell: ({ row }) => <AgentStatusBadge status={row.original.status} />,
    }),
    column.display({
      id: "seen",
      header: t("agents.columns.seen"),
      cell: ({ row: { original } }) => (original.lastSeenAt ? <RelativeTime at={original.lastSeenAt} /> : t("common.never")),
    }),
  ]);

const offerOf = ({ endpoint, skills }: Agent, t: TFunction): string =>
  endpoint.kind === "openai" ? t("agents.models", { count: endpoint.models.length }) : t("agents.skills", { count: skills.length });

const CELLS = {
  kind: "hidden text-[0.8125rem] text-ink-2 sm:block",
  skills: "tabular hidden text-[0.8125rem] text-ink-2 sm:block",
  status: "justify-self-end sm:justify-self-start",
  seen: "hidden truncate text-xs text-ink-3 md:block",
} as const;

export const AgentTable = ({ agents }: { agents: Agent[] }) => {
  const { t } = useTranslation();
  const columns = useMemo(() => columnsIn(t), [t]);
  return (
    <DataTable
      label={t("agents.table")}
      rows={agents}
      rowKey={(agent) => agent.id}
      columns={columns}
      template="grid-cols-[minmax(0,1fr)_auto] sm:grid-cols-[minmax(0,1fr)_8rem_5.5rem_8rem] md:grid-cols-[minmax(0,1fr)_8rem_5.5rem_8rem_8rem]"
      cellClass={CELLS}
      rowHeight={60}
    />
  );
};

const NameCell = ({ agent }: { agent: Agent }) => (
  <div className="flex min-w-0 items-center gap-3">
    <KindTile type={STEP_OF_KIND[agent.endpoint.kind]} />
    <div className="min-w-0">
      <Link
        to="/agents"
        search={{ open: agent.id }}
        className="block truncate font-medium outline-none after:absolute after:inset-0 focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
      >
        {agent.title}
      </Link>
      <p className="truncate text-xs text-ink-3">
        <code className="font-mono text-2xs">{agent.name}</code>
        {agent.description ? ` · ${agent.description}` : ""}
      </p>
    </div>
  </div>
);
