import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Braces, History, TextCursorInput, Workflow as WorkflowIcon } from "lucide-react";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { Json } from "#contract/common.ts";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { ValueView } from "../../ui/json-view.tsx";
import { Skeleton } from "../../ui/skeleton.tsx";
import { TabPanel, Tabs } from "../../ui/tabs.tsx";
import { InputSchema } from "./input-schema.tsx";
import { NodePanel } from "./node-panel.tsx";
import { RecentRuns } from "./recent-runs.tsx";
import { Versions } from "./versions.tsx";
import type { WorkflowTab } from "./workflow-search.ts";

// Fetched along with the page's data, not after it.
const canvas = import("../canvas/workflow-canvas.tsx");
const WorkflowCanvas = lazy(() => canvas.then((module) => ({ default: module.WorkflowCanvas })));
const route = getRouteApi("/workflows/$workflowId");

export const WorkflowTabs = ({ workflow }: { workflow: WorkflowDetail }) => {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { tab = "graph", node } = route.useSearch();
  const go = (search: { tab?: WorkflowTab | undefined; node?: string | undefined }): void => {
    void navigate({ to: "/workflows/$workflowId", params: { workflowId: workflow.id }, search, replace: true });
  };
  const chosen = workflow.definition.nodes.find(({ id }) => id === node);
  const tabs = [
    { value: "graph", label: t("workflows.tabs.graph"), icon: <WorkflowIcon /> },
    { value: "input", label: t("workflows.tabs.input"), icon: <TextCursorInput /> },
    { value: "versions", label: t("workflows.tabs.versions"), icon: <History /> },
    { value: "definition", label: t("workflows.tabs.definition"), icon: <Braces /> },
  ] as const;
  return (
    <Tabs
      label={workflow.name}
      value={tab}
      onChange={(next) => go({ tab: next === "graph" ? undefined : next })}
      tabs={tabs}
      className="min-h-0 flex-1"
      listClassName="px-3 sm:px-5"
    >
      <TabPanel value="graph" className="relative flex flex-col lg:flex-row">
        <div className="h-[58dvh] flex-none bg-sunken lg:h-auto lg:flex-1">
          <Suspense fallback={<Skeleton className="m-6 h-15 w-52" />}>
            <WorkflowCanvas definition={workflow.definition} chosen={chosen?.id} onOpen={(id) => go({ node: id })} />
          </Suspense>
        </div>
        <aside className="shrink-0 overflow-y-auto border-t border-line p-4 lg:w-80 lg:border-t-0 lg:border-l lg:p-5">
          {chosen ? <NodePanel node={chosen} onClose={() => go({})} /> : <RecentRuns workflow={workflow} />}
        </aside>
      </TabPanel>
      <TabPanel value="input" className="overflow-y-auto p-4 sm:p-6">
        <InputSchema schema={workflow.definition.input} />
      </TabPanel>
      <TabPanel value="versions" className="overflow-y-auto p-4 sm:p-6">
        <Versions workflow={workflow} />
      </TabPanel>
      <TabPanel value="definition" className="overflow-y-auto p-4 sm:p-6">
        <ValueView value={Json.parse(workflow.definition)} label={t("workflows.tabs.definition")} className="[&>div]:max-h-none" />
      </TabPanel>
    </Tabs>
  );
};
