import { useInfiniteQuery } from "@tanstack/react-query";
import { UserCheck } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { APPROVAL_STATUSES, type ApprovalStatus } from "#contract/approvals.ts";
import { approvalListQuery } from "../../api/approvals.ts";
import { EmptyState, ErrorState, PageHeader, SkeletonRows, usePageTitle } from "../../ui/page.ts";
import { Pager } from "../../ui/pager.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import { ApprovalCard } from "./approval-card.tsx";

export const ApprovalsPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("approvals.title"));
  const [status, setStatus] = useState<ApprovalStatus>("pending");
  const approvals = useInfiniteQuery(approvalListQuery(status));
  const items = approvals.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="mx-auto flex max-w-4xl flex-col gap-5 p-4 sm:p-7">
      <PageHeader title={t("approvals.title")} subtitle={t("approvals.subtitle")} />
      <Segmented
        label={t("approvals.filter")}
        value={status}
        onChange={setStatus}
        options={APPROVAL_STATUSES.map((value) => ({ value, label: t(`approvals.statuses.${value}`) }))}
        className="max-w-full overflow-x-auto [&_button]:shrink-0"
      />
      {approvals.isPending ? <SkeletonRows rows={3} className="h-36" /> : null}
      {approvals.isError && !approvals.data ? <ErrorState error={approvals.error} onRetry={() => void approvals.refetch()} /> : null}
      {approvals.data && items.length === 0 ? (
        status === "pending" ? (
          <EmptyState icon={<UserCheck />} title={t("approvals.empty.title")} detail={t("approvals.empty.detail")} />
        ) : (
          <p className="text-ink-2">{t("approvals.emptyOther")}</p>
        )
      ) : null}
      <ul className="flex flex-col gap-3">
        {items.map((approval) => (
          <ApprovalCard key={approval.id} approval={approval} showsRun />
        ))}
      </ul>
      <Pager hasMore={approvals.hasNextPage} isLoading={approvals.isFetchingNextPage} onMore={() => void approvals.fetchNextPage()} />
    </div>
  );
};
