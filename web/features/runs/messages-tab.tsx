import { useInfiniteQuery } from "@tanstack/react-query";
import { useVirtualRows } from "../../ui/virtual.ts";
import { MessagesSquare, SearchX, X } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { PROTOCOLS, type Message, type Protocol } from "#contract/messages.ts";
import { runMessagesQuery } from "../../api/messages.ts";
import type { StepRef } from "../../graph/scope.ts";
import { Button } from "../../ui/button.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import { EmptyState, ErrorState, SkeletonRows } from "../../ui/page.ts";
import { MessageRow } from "./message-row.tsx";
import type { RunModel } from "./run-model.ts";
import type { RunNav } from "./use-run-nav.ts";

const ROW_HEIGHT = 45;
const NEAR_END = 40;

/** Every protocol message of the run, oldest first, joined to the steps that caused them. */
export const MessagesTab = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const [protocol, setProtocol] = useState<Protocol | "all">("all");
  const messages = useInfiniteQuery(runMessagesQuery(nav.runId));
  const all = useMemo(() => messages.data?.pages.flatMap((page) => page.items) ?? [], [messages.data]);
  const shown = all.filter((message) => (protocol === "all" || message.protocol === protocol) && belongsTo(message, nav.step));
  if (messages.isPending) {
    return (
      <div className="p-4 sm:p-6">
        <SkeletonRows className="h-9" />
      </div>
    );
  }
  if (messages.isError && all.length === 0) return <ErrorState error={messages.error} onRetry={() => void messages.refetch()} />;
  return (
    <div className="flex h-full flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5 sm:px-6">
        <Segmented
          label={t("run.messages.protocolFilter")}
          value={protocol}
          onChange={setProtocol}
          options={(["all", ...PROTOCOLS] as const).map((value) => ({
            value,
            label: value === "all" ? t("run.messages.allProtocols") : t(`run.messages.protocol.${value}`),
          }))}
        />
        {nav.step ? (
          <Button size="sm" onClick={nav.close}>
            {t("run.messages.onlyStep", { step: model.labels.get(nav.step.nodeId) ?? nav.step.nodeId })}
            <X />
          </Button>
        ) : null}
      </div>
      {shown.length > 0 ? (
        <List
          messages={shown}
          labels={model.labels}
          onStep={nav.open}
          onNearEnd={() => (messages.hasNextPage && !messages.isFetchingNextPage ? void messages.fetchNextPage() : undefined)}
        />
      ) : all.length === 0 ? (
        <EmptyState icon={<MessagesSquare />} title={t("run.messages.empty")} detail={t("run.messages.emptyDetail")} />
      ) : (
        <EmptyState icon={<SearchX />} title={t("run.messages.emptyFiltered")} />
      )}
    </div>
  );
};

/** Without an item, a node inside a `map` stands for all its items. */
function belongsTo(message: Message, step: StepRef | undefined): boolean {
  if (step === undefined) return true;
  return message.nodeId === step.nodeId && (step.scope === "" || message.scope === step.scope);
}

type ListProps = {
  messages: readonly Message[];
  labels: ReadonlyMap<string, string>;
  onStep: (step: StepRef) => void;
  onNearEnd: () => void;
};

const List = ({ messages, labels, onStep, onNearEnd }: ListProps) => {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const virtual = useVirtualRows({
    count: messages.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => messages[index]?.id ?? index,
    overscan: 12,
  });
  const last = virtual.getVirtualItems().at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= messages.length - NEAR_END) onNearEnd();
  }, [last, messages.length, onNearEnd]);
  const toggle = (id: string): void => {
    const next = new Set(open);
    if (!next.delete(id)) next.add(id);
    setOpen(next);
  };
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto">
      <ol aria-label={t("run.messages.label")} className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const message = messages[index];
          if (!message) return null;
          return (
            <li
              key={key}
              ref={virtual.measureElement}
              data-index={index}
              className="absolute inset-x-0 top-0 border-b border-line"
              style={{ transform: `translateY(${start}px)` }}
            >
              <MessageRow
                message={message}
                labels={labels}
                isOpen={open.has(message.id)}
                onToggle={() => toggle(message.id)}
                onStep={onStep}
              />
            </li>
          );
        })}
      </ol>
    </div>
  );
};
