import { Link } from "@tanstack/react-router";
import { Hourglass } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { StepState } from "#engine/types.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { shortId } from "../../ui/format.ts";
import { RelativeTime } from "../../ui/time.tsx";

/** What a step waits for, and until when: a moment, a signal, a call of its address, a run of its own, or people. */
export const StepWaiting = ({ step, hookUrl }: { step: StepState; hookUrl: string }) => {
  const { t } = useTranslation();
  const { waiting, approval } = step;
  const deadline = waiting?.deadline ?? approval?.deadline;
  return (
    <section
      aria-label={t("run.waiting.label")}
      className="flex flex-col gap-1.5 rounded-xl border border-[color-mix(in_oklch,var(--wait)_35%,transparent)] bg-[color-mix(in_srgb,var(--wait-soft)_55%,var(--sheet))] p-3.5 text-[0.8125rem]"
    >
      {waiting?.until === undefined ? null : (
        <Line>
          {t("run.waiting.until")} <RelativeTime at={iso(waiting.until)} />
        </Line>
      )}
      {waiting?.signal === undefined ? null : (
        <Line>
          {t("run.waiting.signal")} <code className="font-mono text-xs font-semibold break-all">{waiting.signal}</code>
        </Line>
      )}
      {waiting?.hook === undefined ? null : (
        <>
          <Line>{t("run.waiting.hook")}</Line>
          <Address url={hookAddress(hookUrl, step)} />
        </>
      )}
      {waiting?.childRunId === undefined ? null : (
        <Line>
          {t("run.waiting.child")} <RunLink runId={waiting.childRunId} />
        </Line>
      )}
      {approval === undefined ? null : (
        <Line>
          {t("run.waiting.approval", {
            count: approval.n,
            done: approval.decisions.length,
            names: [...approval.approvers, ...(approval.isEscalated ? (approval.escalateTo ?? []) : [])].join(", "),
          })}
        </Line>
      )}
      {deadline === undefined ? null : (
        <p className="pl-6 text-xs text-ink-2">
          {t("run.waiting.deadline")} <RelativeTime at={iso(deadline)} />
        </p>
      )}
    </section>
  );
};

export const RunLink = ({ runId }: { runId: string }) => (
  <Link to="/runs/$runId" params={{ runId }} className="font-mono text-xs text-accent hover:underline">
    {shortId(runId)}
  </Link>
);

const iso = (ms: number): string => new Date(ms).toISOString();

/** As `run.hooks` gives it to the steps of the run. */
const hookAddress = (hookUrl: string, { nodeId, scope }: StepState): string =>
  `${hookUrl}.${nodeId}${scope === "" ? "" : `~${encodeURIComponent(scope)}`}`;

const Line = ({ children }: { children: ReactNode }) => (
  <div className="flex items-start gap-2">
    <Hourglass aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-wait" />
    <p className="min-w-0 break-words">{children}</p>
  </div>
);

const Address = ({ url }: { url: string }) => {
  const { t } = useTranslation();
  return (
    <p className="ml-6 flex items-center gap-1 rounded-lg border border-line bg-raised py-1 pr-1 pl-2.5">
      <code className="min-w-0 flex-1 font-mono text-xs break-all text-ink-2">{url}</code>
      <CopyButton value={url} what={t("run.waiting.address")} />
    </p>
  );
};
