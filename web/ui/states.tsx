import { Ban, CircleAlert, PlugZap, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { explain } from "../api/explain.ts";
import { Button } from "./button.tsx";
import { cn } from "./cn.ts";
import { CopyButton } from "./copy-button.tsx";

type FrameProps = {
  icon: ReactNode;
  title: ReactNode;
  children: ReactNode;
  tone?: "idle" | "bad" | "wait";
  className?: string;
  alert?: boolean;
  /** Whether it stands for a whole page, and names it. */
  isPage?: boolean;
};

const TONES = { idle: "bg-accent-soft text-accent", bad: "bg-bad-soft text-bad", wait: "bg-wait-soft text-wait" } as const;

const Frame = ({ icon, title, children, tone = "idle", className, alert = false, isPage = false }: FrameProps) => {
  const Heading = isPage ? "h1" : "h2";
  return (
    <div
      role={alert ? "alert" : undefined}
      className={cn("mx-auto flex max-w-md flex-col items-center gap-3 px-4 py-14 text-center", className)}
    >
      <div className={cn("flex size-12 items-center justify-center rounded-2xl [&_svg]:size-6", TONES[tone])}>{icon}</div>
      <Heading className="text-base font-semibold text-balance">{title}</Heading>
      {children}
    </div>
  );
};

/** Nothing is here yet: says what would be, and offers one way on. */
export const EmptyState = ({
  icon,
  title,
  detail,
  children,
  className,
  isPage = false,
}: {
  icon: ReactNode;
  title: ReactNode;
  detail?: ReactNode;
  children?: ReactNode;
  className?: string;
  isPage?: boolean;
}) => (
  <Frame icon={icon} title={title} className={className ?? ""} isPage={isPage}>
    {detail ? <p className="text-[0.8125rem] text-pretty text-ink-3">{detail}</p> : null}
    {children ? <div className="mt-1 flex max-w-full flex-wrap justify-center gap-2">{children}</div> : null}
  </Frame>
);

/** What went wrong, what to do, and an id to report. A missing permission is named instead. */
export const ErrorState = ({
  error,
  onRetry,
  className,
  isPage = false,
}: {
  error: unknown;
  onRetry?: () => void;
  className?: string;
  isPage?: boolean;
}) => {
  const { t } = useTranslation();
  const { code, title, remedy, requestId, permission, isNetwork } = explain(error, t);
  if (permission !== undefined) return <DeniedState permission={permission} className={className ?? ""} isPage={isPage} />;
  const report = [code, title, requestId].filter(Boolean).join("\n");
  return (
    <Frame
      alert
      isPage={isPage}
      tone="bad"
      icon={isNetwork ? <PlugZap /> : <CircleAlert />}
      title={t("common.error.title")}
      className={className ?? ""}
    >
      <p className="text-[0.8125rem] break-words text-ink-2">{title}</p>
      <p className="text-[0.8125rem] text-pretty text-ink-3">{remedy}</p>
      {requestId ? (
        <p className="flex items-center gap-1 text-xs text-ink-3">
          {t("common.requestId")} <code className="font-mono">{requestId}</code>
          <CopyButton value={report} what={t("common.requestId")} />
        </p>
      ) : null}
      {onRetry ? (
        <Button variant="primary" onClick={onRetry} className="mt-1">
          <RotateCw />
          {t("common.retry")}
        </Button>
      ) : null}
    </Frame>
  );
};

export const DeniedState = ({ permission, className, isPage = false }: { permission: string; className?: string; isPage?: boolean }) => {
  const { t } = useTranslation();
  return (
    <Frame alert isPage={isPage} tone="wait" icon={<Ban />} title={t("common.denied.title")} className={className ?? ""}>
      <p className="text-[0.8125rem] text-ink-2">{t("common.denied.detail", { permission })}</p>
      <p className="text-[0.8125rem] text-ink-3">{t("common.denied.remedy")}</p>
    </Frame>
  );
};
