import { Pause, Play, RotateCcw, Skull, Undo2, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { StepPlace } from "#contract/journal.ts";
import { isFinal } from "#contract/runs.ts";
import type { StepStatus } from "#engine/types.ts";
import { usePermission } from "../../api/session.ts";
import { formatStepRef } from "../../graph/scope.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { StepStatusMark } from "../../ui/status.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import type { RunModel } from "./run-model.ts";
import { useRequeueRun, usePauseRun } from "./use-run-actions.ts";
import type { RunNav } from "./use-run-nav.ts";

type Props = { model: RunModel; nav: RunNav };

/** What is out of the ordinary with the run as a whole, and what can be done about it. */
export const RunNotice = (props: Props) => {
  const { run, view } = props.model;
  if (run.dead) return <DeadNotice {...props} />;
  if (run.status === "paused") return <PausedNotice {...props} />;
  if (run.status === "compensating") return <UndoNotice {...props} />;
  const last = view.events.at(-1);
  const left = last?.kind === "run_failed" || last?.kind === "run_cancelled" ? (last.body.notUndone ?? []) : [];
  return isFinal(run.status) && left.length > 0 ? <NotUndoneNotice {...props} places={left} /> : null;
};

const DeadNotice = ({ model: { run } }: Props) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:control");
  const requeue = useRequeueRun(run.id);
  if (!run.dead) return null;
  return (
    <Notice
      icon={Skull}
      tone="bad"
      title={t("run.dead.title")}
      action={
        <GatedButton variant="primary" reason={reason} onClick={() => (requeue.isPending ? undefined : requeue.mutate())}>
          <RotateCcw />
          {t("run.dead.requeue")}
        </GatedButton>
      }
    >
      <p className="break-words">{run.dead.reason}</p>
      <p className="text-xs text-ink-2">
        {t("run.dead.detail", { count: run.dead.crashes })} <RelativeTime at={run.dead.at} />
      </p>
    </Notice>
  );
};

const PausedNotice = ({ model: { run, view, labels }, nav }: Props) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:control");
  const resume = usePauseRun(run);
  const paused = view.events.findLast((event) => event.kind === "run_paused" || event.kind === "breakpoint_hit");
  const place = paused?.kind === "breakpoint_hit" && paused.nodeId !== null ? { scope: paused.scope, nodeId: paused.nodeId } : undefined;
  const why = paused?.kind === "run_paused" ? paused.body.reason : undefined;
  return (
    <Notice
      icon={Pause}
      title={t(place ? "run.paused.breakpoint" : "run.paused.title")}
      action={
        <GatedButton variant="primary" reason={reason} onClick={() => (resume.isPending ? undefined : resume.mutate())}>
          <Play />
          {t("run.resume")}
        </GatedButton>
      }
    >
      {place ? <PlaceButton place={place} labels={labels} nav={nav} /> : null}
      {why === undefined ? null : <p>{why}</p>}
      <p className="text-xs text-ink-2">
        {t("run.paused.detail")} {paused ? <RelativeTime at={paused.at} /> : null}
      </p>
    </Notice>
  );
};

/** The steps that are undone, in that order, each with how far it is. */
const UndoNotice = ({ model, nav }: Props) => {
  const { t } = useTranslation();
  const places = model.view.events.flatMap((event) => (event.kind === "compensation_started" ? event.body.steps : []));
  const statusOf = ({ scope, nodeId }: StepPlace): StepStatus => {
    const undoing = model.nodeAt(nodeId)?.policy?.compensate;
    return (undoing === undefined ? undefined : model.stepAt({ scope, nodeId: undoing })?.status) ?? "pending";
  };
  return (
    <Notice icon={Undo2} title={t("run.undo.title")}>
      <p className="text-xs text-ink-2">{t("run.undo.detail")}</p>
      <ol className="mt-1 flex flex-wrap gap-x-4 gap-y-1">
        {places.map((place) => (
          <li key={formatStepRef(place)} className="flex items-center gap-2">
            <PlaceButton place={place} labels={model.labels} nav={nav} />
            <StepStatusMark status={statusOf(place)} />
          </li>
        ))}
      </ol>
    </Notice>
  );
};

const NotUndoneNotice = ({ model, nav, places }: Props & { places: readonly StepPlace[] }) => {
  const { t } = useTranslation();
  return (
    <Notice icon={Undo2} tone="bad" title={t("run.undo.left", { count: places.length })}>
      <p className="text-xs text-ink-2">{t("run.undo.leftDetail")}</p>
      <ul className="mt-1 flex flex-wrap gap-x-4 gap-y-1">
        {places.map((place) => (
          <li key={formatStepRef(place)}>
            <PlaceButton place={place} labels={model.labels} nav={nav} />
          </li>
        ))}
      </ul>
    </Notice>
  );
};

type PlaceProps = { place: StepPlace; labels: ReadonlyMap<string, string>; nav: RunNav };
const PlaceButton = ({ place, labels, nav }: PlaceProps) => (
  <button type="button" className="text-left text-[0.8125rem] font-medium text-accent hover:underline" onClick={() => nav.open(place)}>
    {labels.get(place.nodeId) ?? place.nodeId}
    {place.scope === "" ? null : <code className="ml-1.5 font-mono text-2xs font-normal text-ink-3">{place.scope}</code>}
  </button>
);

const LOOK = {
  wait: {
    box: "border-[color-mix(in_oklch,var(--wait)_35%,transparent)] bg-[color-mix(in_srgb,var(--wait-soft)_55%,var(--sheet))]",
    title: "text-wait",
  },
  bad: {
    box: "border-[color-mix(in_oklch,var(--bad)_30%,transparent)] bg-[color-mix(in_srgb,var(--bad-soft)_55%,var(--sheet))]",
    title: "text-bad",
  },
} as const;

type NoticeProps = { icon: LucideIcon; tone?: keyof typeof LOOK; title: string; action?: ReactNode; children: ReactNode };
const Notice = ({ icon: Icon, tone = "wait", title, action, children }: NoticeProps) => (
  <section
    aria-label={title}
    className={`mx-4 mb-3 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border p-3.5 sm:mx-6 ${LOOK[tone].box}`}
  >
    <div className="min-w-0 flex-1 basis-60 text-[0.8125rem]">
      <h2 className={`flex items-center gap-2 text-sm font-semibold ${LOOK[tone].title}`}>
        <Icon aria-hidden="true" className="size-4.5 shrink-0" />
        {title}
      </h2>
      <div className="mt-1 flex max-h-48 flex-col gap-0.5 overflow-y-auto">{children}</div>
    </div>
    {action}
  </section>
);
