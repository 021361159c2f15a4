import { useQuery } from "@tanstack/react-query";
import { ScrollText } from "lucide-react";
import { useTranslation } from "react-i18next";
import { serverLogsQuery } from "../../api/mcp.ts";
import { Badge } from "../../ui/badge.tsx";
import { formatClock } from "../../ui/format.ts";
import { EmptyState, ErrorState, SkeletonRows } from "../../ui/page.ts";

/** What the server wrote and what happened to it, newest first. */
export const ServerLogs = ({ serverId }: { serverId: string }) => {
  const { t } = useTranslation();
  const logs = useQuery(serverLogsQuery(serverId));
  if (logs.isPending) return <SkeletonRows rows={8} className="h-5" />;
  if (logs.isError) return <ErrorState error={logs.error} onRetry={() => void logs.refetch()} />;
  if (logs.data.length === 0) return <EmptyState icon={<ScrollText />} title={t("mcp.noLogs")} />;
  return (
    <ol className="divide-y divide-line rounded-xl border border-line bg-raised font-mono text-xs">
      {logs.data.map((line) => (
        <li key={line.id} className="flex gap-3 px-3 py-1.5">
          <time dateTime={line.at} className="tabular shrink-0 text-ink-3">
            {formatClock(Date.parse(line.at))}
          </time>
          {line.stream === "event" ? (
            <Badge tone="busy" className="h-5 shrink-0 font-sans text-2xs">
              {t("mcp.stream.event")}
            </Badge>
          ) : null}
          <span className="min-w-0 break-words whitespace-pre-wrap">{line.text}</span>
        </li>
      ))}
    </ol>
  );
};
