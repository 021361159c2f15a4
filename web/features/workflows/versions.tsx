import { useInfiniteQuery } from "@tanstack/react-query";
import { GitCommitVertical } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { workflowVersionsQuery } from "../../api/workflows.ts";
import { Badge } from "../../ui/badge.tsx";
import { ErrorState, Pager, SkeletonRows } from "../../ui/page.ts";
import { RelativeTime } from "../../ui/time.tsx";

export const Versions = ({ workflow }: { workflow: WorkflowDetail }) => {
  const { t } = useTranslation();
  const versions = useInfiniteQuery(workflowVersionsQuery(workflow.id));
  if (versions.isPending) return <SkeletonRows className="h-12" />;
  if (versions.isError) return <ErrorState error={versions.error} onRetry={() => void versions.refetch()} />;
  return (
    <section className="max-w-3xl" aria-label={t("workflows.versionsTitle")}>
      <ol className="panel divide-y divide-line">
        {versions.data.pages
          .flatMap((page) => page.items)
          .map(({ version, hash, createdAt, createdBy }) => (
            <li key={version} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3.5 py-2.5 text-[0.8125rem]">
              <GitCommitVertical aria-hidden="true" className="size-4 text-ink-3" />
              <span className="tabular font-semibold">{t("common.version", { version })}</span>
              {version === workflow.version ? <Badge tone="ok">{t("workflows.newest")}</Badge> : null}
              <span className="flex-1 text-ink-3">
                <RelativeTime at={createdAt} /> {t("workflows.versionsBy", { who: createdBy })}
              </span>
              <code className="font-mono text-xs text-ink-3" title={hash}>
                {hash.slice(0, 12)}
              </code>
            </li>
          ))}
      </ol>
      <Pager hasMore={versions.hasNextPage} isLoading={versions.isFetchingNextPage} onMore={() => void versions.fetchNextPage()} />
    </section>
  );
};
