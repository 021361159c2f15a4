import { useTranslation } from "react-i18next";
import type { StepHistory, Segment, SegmentOutcome } from "../../graph/attempts.ts";
import type { StepStatus } from "#engine/types.ts";
import { formatClock } from "../../ui/format.ts";
import { StepStatusMark } from "../../ui/status.tsx";
import { Duration, RelativeTime } from "../../ui/time.tsx";

const STATUS: Readonly<Record<SegmentOutcome, StepStatus>> = {
  open: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  in_doubt: "parked",
  done: "succeeded",
};

/** Every attempt of a step, with the pauses between them left out. */
export const Attempts = ({ history, retryAt }: { history: StepHistory; retryAt?: number | undefined }) => {
  const { t } = useTranslation();
  const attempts = history.segments.filter((segment) => segment.kind === "executing");
  return (
    <section aria-label={t("run.step.attempts")}>
      <h3 className="eyebrow mb-1.5">{t("run.step.attempts")}</h3>
      <ol className="divide-y divide-line rounded-xl border border-line bg-raised">
        {attempts.map((segment) => (
          <Line key={`${segment.generation}.${segment.attempt}.${segment.from}`} segment={segment} />
        ))}
      </ol>
      {retryAt !== undefined && history.segments.at(-1)?.to === null ? (
        <p className="mt-1.5 text-xs text-wait">
          {t("run.step.nextAttempt", { when: "" })} <RelativeTime at={new Date(retryAt).toISOString()} />
        </p>
      ) : null}
    </section>
  );
};

const Line = ({ segment }: { segment: Segment }) => {
  const { t } = useTranslation();
  return (
    <li className="flex items-center gap-3 px-3 py-2 text-[0.8125rem]">
      <span className="tabular flex-1">{t("run.step.attempt", { count: segment.attempt })}</span>
      <time className="text-xs text-ink-3">{formatClock(segment.from)}</time>
      <Duration
        from={new Date(segment.from).toISOString()}
        to={segment.to === null ? null : new Date(segment.to).toISOString()}
        className="text-xs"
      />
      <StepStatusMark status={STATUS[segment.outcome]} />
    </li>
  );
};
