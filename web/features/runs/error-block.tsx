import { CircleX } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { ErrorClass } from "#contract/errors.ts";
import type { StepError } from "#contract/journal.ts";
import { Badge, type Tone } from "../../ui/badge.tsx";
import { CopyButton } from "../../ui/copy-button.tsx";

const CLASS_TONE: Readonly<Record<ErrorClass, Tone>> = { retryable: "busy", needs_person: "wait", fatal: "bad" };

/** An error of a step or a run: what happened, what the other side said, what to do, and all of it to copy. */
export const ErrorBlock = ({ error, children }: { error: StepError; children?: ReactNode }) => {
  const { t } = useTranslation();
  return (
    <section
      aria-label={t("run.step.error")}
      className="flex flex-col gap-2 rounded-xl border border-[color-mix(in_oklch,var(--bad)_30%,transparent)] bg-[color-mix(in_srgb,var(--bad-soft)_55%,var(--sheet))] p-3.5"
    >
      <header className="flex items-center gap-2 text-bad">
        <CircleX aria-hidden="true" className="size-4.5 shrink-0" />
        <code className="min-w-0 flex-1 truncate font-mono text-xs font-semibold" title={t("run.step.code")}>
          {error.code}
        </code>
        <CopyButton value={() => JSON.stringify(error, null, 2)} what={t("run.step.error")} />
      </header>
      <p className="text-[0.8125rem] font-medium break-words">{error.message}</p>
      {error.issues && error.issues.length > 0 ? (
        <ul className="list-disc pl-4 text-xs text-ink-2">
          {error.issues.map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code className="font-mono">{path || "/"}</code> {message}
            </li>
          ))}
        </ul>
      ) : null}
      {error.cause ? (
        <div>
          <p className="eyebrow">{t("run.step.otherSide")}</p>
          <pre className="mt-1 max-h-40 overflow-auto font-mono text-xs leading-5 break-words whitespace-pre-wrap text-ink-2">
            {error.cause}
          </pre>
        </div>
      ) : null}
      <div>
        <p className="eyebrow flex items-center gap-2">
          {t("run.step.remedy")}
          {error.class === undefined ? null : (
            <Badge tone={CLASS_TONE[error.class]} className="h-5 text-2xs normal-case tracking-normal">
              {t(`run.step.class.${error.class}`)}
            </Badge>
          )}
        </p>
        <p className="text-[0.8125rem] text-ink-2">{error.remedy}</p>
      </div>
      {children}
    </section>
  );
};
