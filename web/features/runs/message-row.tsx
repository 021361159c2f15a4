import { ArrowDownLeft, ArrowRight, ArrowUpRight, ChevronRight } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Message, Protocol } from "#contract/messages.ts";
import { enclosing, type StepRef } from "../../graph/scope.ts";
import { cn } from "../../ui/cn.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { formatBytes, formatClock, formatDuration } from "../../ui/format.ts";
import { ValueView } from "../../ui/json-view.tsx";

const TINT: Readonly<Record<Protocol, string>> = {
  mcp: "text-kind-mcp",
  openai: "text-kind-model",
  custom: "text-kind-custom",
  a2a: "text-kind-a2a",
  http: "text-kind-mcp",
};

/** A party named by a UUID, `run:<uuid>` for example, is told by the end of it. */
const shortParty = (name: string): string => name.replace(/[0-9a-f-]{28}([0-9a-f]{8})$/, "$1");

type Props = {
  message: Message;
  labels: ReadonlyMap<string, string>;
  isOpen: boolean;
  onToggle: () => void;
  onStep: (step: StepRef) => void;
};

export const MessageRow = ({ message, labels, isOpen, onToggle, onStep }: Props) => {
  const { t } = useTranslation();
  const isOut = message.direction === "out";
  const Arrow = isOut ? ArrowUpRight : ArrowDownLeft;
  return (
    <>
      <div className={cn("flex items-center gap-3 px-4 sm:px-6", message.kind === "error" && "bg-bad-soft")}>
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={onToggle}
          className="flex min-h-11 min-w-0 flex-1 items-center gap-2.5 text-left text-[0.8125rem] outline-offset-[-2px]"
        >
          <ChevronRight aria-hidden="true" className={cn("size-3.5 shrink-0 text-ink-3 transition-transform", isOpen && "rotate-90")} />
          <span
            className={cn("flex w-5 shrink-0", isOut ? "text-busy" : "text-ok")}
            title={t(`run.messages.direction.${message.direction}`)}
          >
            <Arrow aria-hidden="true" className="size-4" />
            <span className="sr-only">{t(`run.messages.direction.${message.direction}`)}</span>
          </span>
          <span className={cn("w-14 shrink-0 text-xs font-semibold", TINT[message.protocol])}>
            {t(`run.messages.protocol.${message.protocol}`)}
          </span>
          <span className="min-w-0 flex-1">
            <span className="flex items-baseline gap-2">
              <code className="truncate font-mono text-xs font-medium">{message.method}</code>
              <span className={cn("shrink-0 text-2xs", message.kind === "error" ? "font-semibold text-bad" : "text-ink-3")}>
                {t(`run.messages.kind.${message.kind}`)}
              </span>
            </span>
            <span className="flex items-center gap-1 text-2xs text-ink-3">
              <span className="truncate" title={message.from}>
                {shortParty(message.from)}
              </span>
              <ArrowRight aria-hidden="true" className="size-3 shrink-0" />
              <span className="truncate" title={message.to}>
                {shortParty(message.to)}
              </span>
            </span>
          </span>
          <span className="tabular hidden w-16 shrink-0 text-right text-xs text-ink-2 sm:inline">
            {message.latencyMs === null ? "" : formatDuration(message.latencyMs)}
          </span>
          <span className="tabular hidden w-16 shrink-0 text-right text-xs text-ink-3 md:inline">{formatBytes(message.sizeBytes)}</span>
          <time className="tabular hidden shrink-0 font-mono text-2xs text-ink-3 xl:inline">{formatClock(Date.parse(message.at))}</time>
        </button>
        <StepLink message={message} labels={labels} onStep={onStep} />
      </div>
      {isOpen ? <Content message={message} /> : null}
    </>
  );
};

const StepLink = ({ message: { nodeId, scope }, labels, onStep }: Pick<Props, "message" | "labels" | "onStep">) => {
  const { t } = useTranslation();
  if (nodeId === null) return null;
  const item = enclosing(scope ?? "");
  const label = `${labels.get(nodeId) ?? nodeId}${item ? ` ${item.index + 1}` : ""}`;
  return (
    <button
      type="button"
      onClick={() => onStep({ nodeId, scope: scope ?? "" })}
      title={t("run.messages.step", { step: label })}
      className="w-20 shrink-0 truncate rounded text-right text-xs font-medium text-ink-2 hover:text-accent hover:underline sm:w-28"
    >
      {label}
    </button>
  );
};

const Content = ({ message }: { message: Message }) => {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-2 bg-sunken px-4 py-3 sm:px-6">
      {message.truncated ? <p className="text-xs text-wait">{t("run.messages.truncated")}</p> : null}
      <ValueView value={message.content} label={message.method} />
      <p className="flex flex-wrap items-center gap-x-3 text-xs text-ink-3">
        <time dateTime={message.at}>{formatClock(Date.parse(message.at))}</time>
        <span>{formatBytes(message.sizeBytes)}</span>
        {message.latencyMs === null ? null : <span>{t("run.messages.latency", { duration: formatDuration(message.latencyMs) })}</span>}
        <span className="flex items-center gap-1">
          {t("run.messages.correlation")} <code className="font-mono">{message.correlationId}</code>
          <CopyButton value={message.correlationId} what={t("run.messages.correlation")} className="size-6" />
        </span>
      </p>
    </div>
  );
};
