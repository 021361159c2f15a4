import { GanttChart, MessagesSquare } from "lucide-react";
import { useTranslation } from "react-i18next";
import { historyKey } from "../../graph/attempts.ts";
import { shownStatus } from "../../graph/overlay.ts";
import type { StepRef } from "../../graph/scope.ts";
import { Button } from "../../ui/button.tsx";
import { ValueView } from "../../ui/json-view.tsx";
import { Attempts } from "./attempts.tsx";
import { ErrorBlock } from "./error-block.tsx";
import type { RunModel } from "./run-model.ts";
import { ForkFromHere } from "./fork-dialog.tsx";
import { StepFacts, StepFine } from "./step-facts.tsx";
import { StepWaiting } from "./step-waiting.tsx";
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
      <StepFacts step={step} status={status} history={history} />
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
          <ForkFromHere run={model.run} step={ref} name={model.labels.get(ref.nodeId) ?? ref.nodeId} />
        </div>
      ) : null}
      <StepFine step={step} />
    </>
  );
};
