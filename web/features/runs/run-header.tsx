import { Link } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { JournalEvent } from "#contract/journal.ts";
import type { Run } from "#contract/runs.ts";
import { formatStepRef } from "../../graph/scope.ts";
import { Badge } from "../../ui/badge.tsx";
import { CopyButton } from "../../ui/copy-button.tsx";
import { shortId } from "../../ui/format.ts";
import { PageHeader } from "../../ui/page.ts";
import { RunStatusBadge } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";
import { RunActions } from "./run-actions.tsx";

type Props = { run: Run; created: JournalEvent | undefined };

export const RunHeader = ({ run, created }: Props) => {
  const { t } = useTranslation();
  return (
    <PageHeader
      className="px-4 pt-4 pb-3 sm:px-6 sm:pt-5"
      above={
        <Link to="/runs" className="mb-1 -ml-1 inline-flex items-center gap-0.5 rounded text-xs font-medium text-ink-3 hover:text-ink">
          <ChevronLeft aria-hidden="true" className="size-3.5" />
          {t("runs.title")}
        </Link>
      }
      title={
        <Link to="/workflows/$workflowId" params={{ workflowId: run.workflowId }} className="rounded underline-offset-4 hover:underline">
          {run.workflowName}
        </Link>
      }
      beside={
        <output>
          <RunStatusBadge status={run.status} className="h-6 align-middle" />
        </output>
      }
      subtitle={<Facts run={run} created={created} />}
      actions={<RunActions run={run} />}
    />
  );
};

const Facts = ({ run, created }: Props) => {
  const { t } = useTranslation();
  return (
    <dl className="mt-1 flex flex-wrap items-center gap-x-4 gap-y-1 text-xs">
      <Fact name={t("run.duration")}>
        {run.startedAt ? <Duration from={run.startedAt} to={run.finishedAt} className="font-medium text-ink-2" /> : "–"}
      </Fact>
      <Fact name={t("common.time.started")}>
        <RelativeTime at={run.startedAt ?? run.createdAt} />
      </Fact>
      <Fact name={t("common.version", { version: "" }).trim()}>{t("common.versionShort", { version: run.version })}</Fact>
      <Fact name={t("run.id")}>
        <code className="font-mono" title={run.id}>
          {shortId(run.id)}
        </code>
        <CopyButton value={run.id} what={t("run.id")} className="-my-1 size-6" />
      </Fact>
      {run.parentRunId ? <Parent runId={run.parentRunId} created={created} /> : null}
      {run.mode === "editor" ? (
        <div title={t("run.editorHint")}>
          <dt className="sr-only">{t("runs.filters.mode")}</dt>
          <dd>
            <Badge className="h-5 text-2xs">{t("runs.editor")}</Badge>
          </dd>
        </div>
      ) : null}
      {run.tags.length > 0 ? (
        <div className="flex gap-1">
          <dt className="sr-only">{t("runs.columns.tags")}</dt>
          {run.tags.map((tag) => (
            <dd key={tag}>
              <Badge className="h-5 text-2xs">{tag}</Badge>
            </dd>
          ))}
        </div>
      ) : null}
    </dl>
  );
};

/** The run that this one retries or goes on from, or whose step waits for it. */
const Parent = ({ runId, created }: { runId: string; created: JournalEvent | undefined }) => {
  const { t } = useTranslation();
  const { parentStep, copied } = created?.kind === "run_created" ? created.body : {};
  return (
    <Fact name={t(parentStep ? "run.caller" : copied === undefined ? "run.parent" : "run.forkOf")}>
      <Link
        to="/runs/$runId"
        params={{ runId }}
        search={parentStep ? { step: formatStepRef(parentStep) } : {}}
        className="font-mono text-accent hover:underline"
      >
        {shortId(runId)}
      </Link>
    </Fact>
  );
};

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className="tabular flex items-center gap-1">
    <dt>{name}</dt>
    <dd className="flex items-center text-ink-2">{children}</dd>
  </div>
);
