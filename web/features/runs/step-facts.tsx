import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { StepState, StepStatus } from "#engine/types.ts";
import type { StepHistory } from "../../graph/attempts.ts";
import { StepStatusBadge } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";
import { RunLink } from "./step-waiting.tsx";

type FactsProps = { step: StepState; status: StepStatus; history: StepHistory | undefined };

/** How a step stands, in words and numbers. */
export const StepFacts = ({ step, status, history }: FactsProps) => {
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
export const StepFine = ({ step }: { step: StepState }) => {
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
