import {
  Ban,
  Check,
  Circle,
  CircleDashed,
  CircleEllipsis,
  CircleHelp,
  Hourglass,
  LoaderCircle,
  Pause,
  RotateCw,
  SkipForward,
  Undo2,
  X,
  type LucideIcon,
} from "lucide-react";
import { useTranslation } from "react-i18next";
import type { RunStatus } from "#contract/runs.ts";
import type { StepStatus } from "#engine/types.ts";
import { Badge, type Tone } from "./badge.tsx";
import { cn } from "./cn.ts";

type Look = { icon: LucideIcon; tone: Exclude<Tone, "plain">; spins?: boolean };

/** A status always has an icon, a word and a colour; never the colour alone. */
export const STEP_LOOK: Readonly<Record<StepStatus, Look>> = {
  pending: { icon: CircleDashed, tone: "idle" },
  ready: { icon: Circle, tone: "busy" },
  running: { icon: LoaderCircle, tone: "busy", spins: true },
  waiting: { icon: Hourglass, tone: "wait" },
  retrying: { icon: RotateCw, tone: "wait" },
  parked: { icon: CircleHelp, tone: "wait" },
  succeeded: { icon: Check, tone: "ok" },
  failed: { icon: X, tone: "bad" },
  skipped: { icon: SkipForward, tone: "idle" },
  cancelled: { icon: Ban, tone: "idle" },
};

const RUN_LOOK: Readonly<Record<RunStatus, Look>> = {
  queued: { icon: CircleEllipsis, tone: "idle" },
  running: { icon: LoaderCircle, tone: "busy", spins: true },
  waiting: { icon: Hourglass, tone: "wait" },
  paused: { icon: Pause, tone: "wait" },
  cancelling: { icon: Ban, tone: "wait" },
  compensating: { icon: Undo2, tone: "wait" },
  succeeded: { icon: Check, tone: "ok" },
  failed: { icon: X, tone: "bad" },
  cancelled: { icon: Ban, tone: "idle" },
};

export const TONE_TEXT: Readonly<Record<Look["tone"], string>> = {
  ok: "text-ok",
  bad: "text-bad",
  busy: "text-busy",
  wait: "text-wait",
  idle: "text-idle",
};

const Icon = ({ look, className }: { look: Look; className?: string | undefined }) => {
  const { icon: Drawn, spins = false } = look;
  return (
    <Drawn
      aria-hidden="true"
      className={cn("size-3.5 shrink-0", spins && "animate-spin [animation-duration:1.6s]", className)}
      strokeWidth={2.4}
    />
  );
};

export const RunStatusBadge = ({ status, className }: { status: RunStatus; className?: string }) => {
  const { t } = useTranslation();
  const look = RUN_LOOK[status];
  return (
    <Badge tone={look.tone} className={className} data-status={status}>
      <Icon look={look} />
      {t(`runs.status.${status}`)}
    </Badge>
  );
};

/** Without the word where it stands beside it anyway. */
export const RunStatusIcon = ({ status, hasWord = true, className }: { status: RunStatus; hasWord?: boolean; className?: string }) => {
  const { t } = useTranslation();
  const look = RUN_LOOK[status];
  return (
    <span className={cn("inline-flex", TONE_TEXT[look.tone], className)} title={hasWord ? t(`runs.status.${status}`) : undefined}>
      <Icon look={look} className="size-4" />
      {hasWord ? <span className="sr-only">{t(`runs.status.${status}`)}</span> : null}
    </span>
  );
};

export const StepStatusBadge = ({ status }: { status: StepStatus }) => {
  const { t } = useTranslation();
  const look = STEP_LOOK[status];
  return (
    <Badge tone={look.tone} data-status={status}>
      <Icon look={look} />
      {t(`canvas.status.${status}`)}
    </Badge>
  );
};

/** Without a background; `wordless` keeps the word for screen readers and the tooltip. */
export const StepStatusMark = ({ status, wordless = false, className }: { status: StepStatus; wordless?: boolean; className?: string }) => {
  const { t } = useTranslation();
  const look = STEP_LOOK[status];
  const word = t(`canvas.status.${status}`);
  return (
    <span
      className={cn("inline-flex items-center gap-1 text-xs font-medium", TONE_TEXT[look.tone], className)}
      title={wordless ? word : undefined}
    >
      <Icon look={look} />
      <span className={wordless ? "sr-only" : "truncate"}>{word}</span>
    </span>
  );
};
