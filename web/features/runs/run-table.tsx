import { Link } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { Skull } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { RunSummary } from "#contract/runs.ts";
import { Badge } from "../../ui/badge.tsx";
import { DataTable, columnsFor } from "../../ui/data-table.tsx";
import { shortId } from "../../ui/format.ts";
import { RunStatusBadge } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";

const column = columnsFor<RunSummary>();

const columnsIn = (t: TFunction) =>
  column.columns([
    column.display({ id: "status", header: t("runs.columns.status"), cell: ({ row }) => <StatusCell run={row.original} /> }),
    column.display({ id: "workflow", header: t("runs.columns.workflow"), cell: ({ row }) => <WorkflowCell run={row.original} /> }),
    column.display({
      id: "started",
      header: t("runs.columns.started"),
      cell: ({ row }) => <RelativeTime at={row.original.startedAt ?? row.original.createdAt} />,
    }),
    column.display({
      id: "duration",
      header: t("runs.columns.duration"),
      cell: ({ row: { original: run } }) =>
        run.startedAt === null ? <span aria-hidden="true">–</span> : <Duration from={run.startedAt} to={run.finishedAt} />,
    }),
  ]);

/** On a phone two lines: what and how it stands, then when and how long. */
const CELLS = {
  status: "row-start-1 col-start-2 justify-self-end sm:justify-self-start sm:col-start-auto sm:row-start-auto",
  workflow: "row-start-1 col-start-1 sm:col-start-auto sm:row-start-auto",
  started: "text-xs text-ink-3 truncate",
  duration: "text-xs text-ink-2 text-right",
} as const;

export const RunTable = ({ runs, end }: { runs: RunSummary[]; end: ReactNode }) => {
  const { t } = useTranslation();
  const columns = useMemo(() => columnsIn(t), [t]);
  return (
    <DataTable
      label={t("runs.table")}
      rows={runs}
      rowKey={(run) => run.id}
      columns={columns}
      template="grid-cols-[minmax(0,1fr)_auto] gap-y-1 sm:grid-cols-[8.5rem_minmax(0,1fr)_9rem_5.5rem]"
      cellClass={CELLS}
      rowHeight={52}
      end={end}
    />
  );
};

const StatusCell = ({ run: { status, dead } }: { run: RunSummary }) => {
  const { t } = useTranslation();
  if (!dead) return <RunStatusBadge status={status} />;
  return (
    <Badge tone="bad" title={dead.reason}>
      <Skull aria-hidden="true" />
      {t("runs.dead")}
    </Badge>
  );
};

const SHOWN_TAGS = 3;

const WorkflowCell = ({ run }: { run: RunSummary }) => {
  const { t } = useTranslation();
  return (
    <div className="flex min-w-0 items-center gap-2">
      <Link
        to="/runs/$runId"
        params={{ runId: run.id }}
        className="truncate font-medium outline-none after:absolute after:inset-0 focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
      >
        <span className="sr-only">{t("runs.openRun", { workflow: "" })}</span>
        {run.workflowName}
      </Link>
      <span className="tabular shrink-0 text-xs text-ink-3">{t("common.versionShort", { version: run.version })}</span>
      <code className="hidden shrink-0 font-mono text-2xs text-ink-3 md:inline" title={run.id}>
        {shortId(run.id)}
      </code>
      {run.mode === "editor" ? <Badge className="h-5 text-2xs">{t("runs.editor")}</Badge> : null}
      {run.tags.slice(0, SHOWN_TAGS).map((tag) => (
        <Badge key={tag} className="hidden h-5 text-2xs lg:inline-flex">
          {tag}
        </Badge>
      ))}
    </div>
  );
};
