import { GanttChart, GitFork, MessagesSquare } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { StepState, StepStatus } from "#engine/types.ts";
import { historyKey, type StepHistory } from "../../graph/attempts.ts";
import { shownStatus } from "../../graph/overlay.ts";
import type { StepRef } from "../../graph/scope.ts";
import { usePermission } from "../../api/session.ts";
import { Button } from "../../ui/button.tsx";
import { GatedButton } from "../../ui/gated-button.tsx";
import { ValueView } from "../../ui/json-view.tsx";
import { StepStatusBadge } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";
import { Attempts } from "./attempts.tsx";
import { ErrorBlock } from "./error-block.tsx";
import type { RunModel } from "./run-model.ts";
import { ForkDialog } from "./fork-dialog.tsx";
import { RunLink, StepWaiting } from "./step-waiting.tsx";
import type { RunNav } from "./use-run-nav.ts";

type Props = { model: RunModel; nav: RunNav; step: StepRef };

export const StepDetails = ({ model, nav, step: ref }: Props) => {
  const { t } = useTranslation();
  const step = model.stepAt(ref);
  const history = model.histories.get(historyKey(ref.scope, ref.nodeId));
  if (!step) return history ? <Attempts history={history} /> : <p className="text-[0.8125rem] text-ink-3">{t("run.step.notReached")}</p>;
  const status = shownStatus(step.status, model.run.status);
  const isOver = status === "succeeded" || status === "failed" || status === "cancelled";
  return (
    <>
      <Facts step={step} status={status} history={history} />
      {status === "waiting" ? <StepWaiting step={step} hookUrl={model.view.state?.hookUrl ?? ""} /> : null}
      {status === "pending" ? <p className="text-[0.8125rem] text-ink-3">{t("run.step.notReached")}</p> : null}
      {status === "skipped" ? <p className="text-[0.8125rem] text-ink-3">{t("run.step.skipped")}</p> : null}
      {step.error ? <ErrorBlock error={step.error} /> : null}
      {step.output === undefined ? null : <ValueView value={step.output} label={t("run.step.output")} />}
      {step.input === undefined ? null : <ValueView value={step.input} label={t("run.step.input")} />}
      {step.input === undefined && step.output === undefined && isOver && !step.error ? (
        <p className="text-[0.8125rem] text-ink-3">{t("run.step.noInput")}</p>
      ) : null}
      {history && (history.segments.filter(({ kind }) => kind === "executing").length > 1 || status === "retrying") ? (
        <Attempts history={history} retryAt={step.retryAt} />
      ) : null}
      {history ? (
        <div className="flex flex-wrap gap-2">
          <Button size="sm" onClick={() => nav.setTab("messages")}>
            <MessagesSquare />
            {t("run.step.showMessages")}
          </Button>
          <Button size="sm" onClick={() => nav.setTab("timeline")}>
            <GanttChart />
            {t("run.step.showTimeline")}
          </Button>
          <ForkButton model={model} step={ref} />
        </div>
      ) : null}
      <Fine step={step} />
    </>
  );
};

const ForkButton = ({ model: { run, labels }, step }: { model: RunModel; step: StepRef }) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:start");
  const [open, setOpen] = useState(false);
  return (
    <>
      <GatedButton size="sm" reason={reason} onClick={() => setOpen(true)}>
        <GitFork />
        {t("run.fork.action")}
      </GatedButton>
      {open ? <ForkDialog run={run} step={step} name={labels.get(step.nodeId) ?? step.nodeId} onClose={() => setOpen(false)} /> : null}
    </>
  );
};

const Facts = ({ step, status, history }: { step: StepState; status: StepStatus; history: StepHistory | undefined }) => {
  const { t } = useTranslation();
  const end = step.endedAt ?? (status === "cancelled" && history ? new Date(history.lastAt).toISOString() : null);
  return (
    <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-1.5 text-[0.8125rem]">
      <Fact name={t("runs.columns.status")}>
        <span className="flex flex-wrap items-center gap-2">
          <StepStatusBadge status={status} />
          {step.isUndoing ? <span className="text-xs text-ink-3">{t("run.undo.step")}</span> : null}
          {history?.source === undefined ? null : <span className="text-xs text-ink-3">{t(`run.step.source.${history.source}`)}</span>}
        </span>
      </Fact>
      {step.startedAt ? (
        <Fact name={t("run.duration")}>
          <Duration from={step.startedAt} to={end} />
          <span className="ml-2 text-xs text-ink-3">
            <RelativeTime at={step.startedAt} />
          </span>
        </Fact>
      ) : null}
      {step.attempt > 1 ? <Fact name={t("run.step.attempts")}>{step.attempt}</Fact> : null}
      {history?.childRunId === undefined ? null : (
        <Fact name={t("run.step.childRun")}>
          <RunLink runId={history.childRunId} />
        </Fact>
      )}
      {step.effect ? <Fact name={t("run.step.effect")}>{t(`run.step.effects.${step.effect}`)}</Fact> : null}
      {step.handle !== undefined && step.handle !== "success" ? (
        <Fact name={t("run.step.handle")}>
          <code className="font-mono text-xs">{step.handle}</code>
        </Fact>
      ) : null}
    </dl>
  );
};

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <>
    <dt className="text-ink-3">{name}</dt>
    <dd className="tabular min-w-0">{children}</dd>
  </>
);

/** What only those who look into the machinery need. */
const Fine = ({ step }: { step: StepState }) => {
  const { t } = useTranslation();
  if (!step.binding && step.key === undefined) return null;
  return (
    <details className="group text-xs">
      <summary className="eyebrow w-fit rounded select-none">{t("common.details")}</summary>
      <dl className="mt-2 flex flex-col gap-2">
        {step.key === undefined ? null : (
          <div>
            <dt className="text-ink-3">{t("run.step.key")}</dt>
            <dd className="font-mono break-all">{step.key}</dd>
          </div>
        )}
        {step.binding ? (
          <div>
            <dt className="text-ink-3">{t("run.step.binding")}</dt>
            {Object.entries(step.binding).map(([name, value]) => (
              <dd key={name} className="font-mono break-all">
                {name}: {value}
              </dd>
            ))}
          </div>
        ) : null}
      </dl>
    </details>
  );
};
