import { CircleHelp } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Answer } from "#contract/journal.ts";
import type { Question, Run } from "#contract/runs.ts";
import { usePermission } from "../../api/session.ts";
import { formatStepRef, type StepRef } from "../../graph/scope.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { useAnswer } from "./use-run-actions.ts";

const ANSWERS = ["happened", "did_not_happen", "run_again"] as const satisfies readonly Answer[];

type Props = { run: Run; labels: ReadonlyMap<string, string>; onOpen: (step: StepRef) => void };

/** Steps whose effect is in doubt, each with the three answers; several can be answered at once. */
export const Questions = ({ run, labels, onOpen }: Props) => {
  const { t } = useTranslation();
  const { questions } = run;
  if (questions.length === 0) return null;
  return (
    <section
      aria-labelledby="questions"
      className="mx-4 mb-3 rounded-xl border border-[color-mix(in_oklch,var(--wait)_35%,transparent)] bg-[color-mix(in_srgb,var(--wait-soft)_55%,var(--sheet))] p-3.5 sm:mx-6"
    >
      <h2 id="questions" className="flex items-center gap-2 font-semibold text-wait">
        <CircleHelp aria-hidden="true" className="size-4.5" />
        {t("run.question.title", { count: questions.length })}
      </h2>
      <p className="mt-1 max-w-prose text-[0.8125rem] text-pretty text-ink-2">{t("run.question.detail")}</p>
      <ul className="mt-3 flex max-h-72 flex-col gap-3 overflow-y-auto">
        {questions.map((question) => (
          <li
            key={formatStepRef(question)}
            className="flex flex-col gap-2 rounded-lg border border-line bg-raised p-3 shadow-1 xl:flex-row xl:items-center"
          >
            <div className="min-w-0 flex-1">
              <button type="button" className="text-left text-[0.8125rem] font-semibold hover:underline" onClick={() => onOpen(question)}>
                {labels.get(question.nodeId) ?? question.nodeId}
                {question.scope === "" ? null : <code className="ml-2 font-mono text-2xs font-normal text-ink-3">{question.scope}</code>}
              </button>
              <p className="text-[0.8125rem] text-ink-2">{question.question}</p>
              <p className="text-xs text-ink-3">
                <RelativeTime at={question.since} />
              </p>
            </div>
            <Answers runId={run.id} question={question} />
          </li>
        ))}
      </ul>
      {questions.length > 1 ? (
        <div className="mt-3 flex flex-wrap items-center gap-3">
          <span className="text-[0.8125rem] font-medium">{t("run.question.answerAll")}</span>
          <Answers runId={run.id} />
        </div>
      ) : null}
    </section>
  );
};

const Answers = ({ runId, question }: { runId: string; question?: Question }) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:control");
  const answer = useAnswer(runId);
  return (
    <div className="flex flex-wrap gap-2">
      {ANSWERS.map((word) => (
        <GatedButton
          key={word}
          size="sm"
          reason={reason}
          hint={t(`run.question.${word}Hint`)}
          onClick={() => (answer.isPending ? undefined : answer.mutate({ answer: word, question }))}
        >
          {t(`run.question.${word}`)}
        </GatedButton>
      ))}
    </div>
  );
};
