import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { SearchX, Workflow as WorkflowIcon } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Workflow } from "#contract/workflows.ts";
import { workflowListQuery } from "../../api/workflows.ts";
import { Button } from "../../ui/button.tsx";
import { CommandLine } from "../../ui/copy-button.tsx";
import { EmptyState, ErrorState, PageHeader, Pager, SkeletonRows, usePageTitle } from "../../ui/page.ts";
import { SearchField } from "../../ui/search-field.tsx";
import { useUrlText } from "../../ui/use-url-text.ts";
import { StartRunDialog } from "./start-run-dialog.tsx";
import { WorkflowRow } from "./workflow-row.tsx";

const route = getRouteApi("/workflows");

export const WorkflowsPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("workflows.title"));
  const { q = "" } = route.useSearch();
  const { text, setText } = useSearchText(q);
  const [starting, setStarting] = useState<Workflow>();
  const list = useInfiniteQuery(workflowListQuery(q));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="mx-auto flex max-w-6xl flex-col gap-5 p-4 sm:p-7">
      <PageHeader
        title={t("workflows.title")}
        subtitle={t("workflows.subtitle")}
        actions={<SearchField label={t("workflows.search")} value={text} onChange={setText} />}
      />
      {list.isPending ? <SkeletonRows className="h-19 rounded-xl" /> : null}
      {list.isError ? <ErrorState error={list.error} onRetry={() => void list.refetch()} /> : null}
      {list.isSuccess && items.length === 0 ? <NoWorkflows search={q} onClear={() => setText("")} /> : null}
      {items.length > 0 ? (
        <ul aria-label={t("workflows.title")} className="flex flex-col gap-2.5">
          {items.map((workflow) => (
            <WorkflowRow key={workflow.id} workflow={workflow} onRun={() => setStarting(workflow)} />
          ))}
        </ul>
      ) : null}
      <Pager hasMore={list.hasNextPage} isLoading={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />
      {starting ? <StartRunDialog workflowId={starting.id} name={starting.name} onClose={() => setStarting(undefined)} /> : null}
    </div>
  );
};

/** What is typed stands in the address a moment later, so that it can be shared and survives a reload. */
function useSearchText(q: string): { text: string; setText: (text: string) => void } {
  const navigate = useNavigate();
  return useUrlText(q, (text) => void navigate({ to: "/workflows", search: text === "" ? {} : { q: text }, replace: true }));
}

const NoWorkflows = ({ search, onClear }: { search: string; onClear: () => void }) => {
  const { t } = useTranslation();
  if (search !== "") {
    return (
      <EmptyState icon={<SearchX />} title={t("workflows.empty.filtered", { text: search })}>
        <Button variant="primary" onClick={onClear}>
          {t("workflows.empty.clear")}
        </Button>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<WorkflowIcon />} title={t("workflows.empty.title")} detail={t("workflows.empty.detail")}>
      <CommandLine command={t("workflows.empty.command")} />
    </EmptyState>
  );
};
