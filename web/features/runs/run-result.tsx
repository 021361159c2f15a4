import { Clock3 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { isFinal } from "#contract/runs.ts";
import { ValueView } from "../../ui/json-view.tsx";
import { ErrorBlock } from "./error-block.tsx";
import type { RunModel } from "./run-model.ts";
import type { RunNav } from "./use-run-nav.ts";

/** What came of the run and what it was given: shown while no step is chosen. */
export const RunResult = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const { run, labels } = model;
  const failedAt = run.error?.nodeId;
  const openFailed = (): void => {
    if (failedAt !== undefined) nav.open({ nodeId: failedAt, scope: run.error?.scope ?? "" });
  };
  return (
    <section aria-labelledby="run-result" className="flex flex-col gap-4 p-4 lg:p-5">
      <h2 id="run-result" className="font-semibold">
        {run.error ? t("run.result.failed") : t("run.result.title")}
      </h2>
      {run.error ? (
        <ErrorBlock error={run.error}>
          {failedAt === undefined ? null : (
            <button type="button" onClick={openFailed} className="self-start text-[0.8125rem] font-medium text-accent hover:underline">
              {t("run.result.atStep", { step: labels.get(failedAt) ?? failedAt })}
            </button>
          )}
        </ErrorBlock>
      ) : null}
      {run.output === null ? null : <ValueView value={run.output} label={t("run.output")} />}
      {run.output === null && !isFinal(run.status) ? (
        <p className="flex items-center gap-2 text-[0.8125rem] text-ink-3">
          <Clock3 aria-hidden="true" className="size-4" />
          {t("run.result.waiting")}
        </p>
      ) : null}
      <ValueView value={run.input} label={t("run.result.input")} />
    </section>
  );
};
