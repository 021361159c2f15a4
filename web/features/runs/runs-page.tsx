import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { FilterX, ListTree } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { RunFilter } from "../../api/runs.ts";
import { runListQuery } from "../../api/runs.ts";
import { Button, buttonClass } from "../../ui/button.tsx";
import { EmptyState, ErrorState, PageHeader, Pager, SkeletonRows, usePageTitle } from "../../ui/page.ts";
import { filterFromSearch, isFiltered, searchFromFilter } from "./run-filters.ts";
import { RunFilters } from "./run-filter-bar.tsx";
import { RunTable } from "./run-table.tsx";

const route = getRouteApi("/runs");

export const RunsPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("runs.title"));
  const navigate = useNavigate();
  const filter = filterFromSearch(route.useSearch());
  const setFilter = (next: RunFilter): void => void navigate({ to: "/runs", search: searchFromFilter(next), replace: true });
  const list = useInfiniteQuery(runListQuery(filter));
  const runs = list.data?.pages.flatMap((page) => page.items) ?? [];
  const pager = <Pager hasMore={list.hasNextPage} isLoading={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />;
  return (
    <div className="mx-auto flex max-w-6xl flex-col gap-4 p-4 sm:p-7">
      <PageHeader
        title={t("runs.title")}
        subtitle={t("runs.subtitle")}
        actions={
          list.isSuccess ? (
            <output className="tabular text-xs text-ink-3">
              {list.hasNextPage ? t("runs.shownMore", { count: runs.length }) : t("runs.shown", { count: runs.length })}
            </output>
          ) : null
        }
      />
      <RunFilters filter={filter} onChange={setFilter} />
      {list.isPending ? <SkeletonRows rows={8} className="h-12" /> : null}
      {list.isError ? <ErrorState error={list.error} onRetry={() => void list.refetch()} /> : null}
      {list.isSuccess && runs.length === 0 ? <NoRuns isFiltered={isFiltered(filter)} onClear={() => setFilter({})} /> : null}
      {runs.length > 0 ? <RunTable runs={runs} end={pager} /> : null}
    </div>
  );
};

const NoRuns = ({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) => {
  const { t } = useTranslation();
  if (isFiltered) {
    return (
      <EmptyState icon={<FilterX />} title={t("runs.empty.filtered")} detail={t("runs.empty.filteredDetail")}>
        <Button variant="primary" onClick={onClear}>
          {t("runs.filters.clear")}
        </Button>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<ListTree />} title={t("runs.empty.title")} detail={t("runs.empty.detail")}>
      <Link to="/workflows" className={buttonClass({ variant: "primary" })}>
        {t("runs.empty.action")}
      </Link>
    </EmptyState>
  );
};
