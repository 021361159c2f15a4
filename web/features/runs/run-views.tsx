import { GanttChart, MessagesSquare, ScrollText, Workflow } from "lucide-react";
import { lazy, Suspense, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { containersOf, scopeWithin } from "../../graph/overlay.ts";
import { Badge } from "../../ui/badge.tsx";
import { Skeleton } from "../../ui/skeleton.tsx";
import { EmptyState } from "../../ui/page.ts";
import { TabPanel, Tabs } from "../../ui/tabs.tsx";
import { EventsTab } from "./events-tab.tsx";
import { MessagesTab } from "./messages-tab.tsx";
import { canvasOf, type RunModel } from "./run-model.ts";
import { TimelineTab } from "./timeline-tab.tsx";
import type { RunNav } from "./use-run-nav.ts";

// Fetched along with the page's data, not after it.
const canvas = import("../canvas/workflow-canvas.tsx");
const WorkflowCanvas = lazy(() => canvas.then((module) => ({ default: module.WorkflowCanvas })));

export const RunViews = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const tabs = [
    { value: "graph", label: t("run.tabs.graph"), icon: <Workflow /> },
    { value: "timeline", label: t("run.tabs.timeline"), icon: <GanttChart /> },
    { value: "messages", label: t("run.tabs.messages"), icon: <MessagesSquare /> },
    {
      value: "events",
      label: t("run.tabs.events"),
      icon: <ScrollText />,
      badge: <Badge className="tabular h-4.5 px-1.5 text-2xs">{model.view.events.length}</Badge>,
    },
  ] as const;
  return (
    <Tabs
      label={t("run.tabs.label")}
      value={nav.tab}
      onChange={nav.setTab}
      tabs={tabs}
      className="min-w-0 flex-1"
      listClassName="px-3 sm:px-5"
    >
      <TabPanel value="graph" className="h-[58dvh] flex-none bg-sunken lg:h-auto lg:flex-1">
        <GraphTab model={model} nav={nav} />
      </TabPanel>
      <TabPanel value="timeline" className="h-[70dvh] flex-none lg:h-auto lg:flex-1">
        <TimelineTab model={model} nav={nav} />
      </TabPanel>
      <TabPanel value="messages" className="h-[70dvh] flex-none lg:h-auto lg:flex-1">
        <MessagesTab model={model} nav={nav} />
      </TabPanel>
      <TabPanel value="events" className="h-[70dvh] flex-none lg:h-auto lg:flex-1">
        <EventsTab model={model} nav={nav} />
      </TabPanel>
    </Tabs>
  );
};

const GraphTab = ({ model, nav }: { model: RunModel; nav: RunNav }) => {
  const { t } = useTranslation();
  const { definition, foldError } = model.view;
  const scope = nav.step?.scope ?? "";
  const shown = useMemo(() => (definition ? canvasOf(model, definition, scope) : undefined), [model, definition, scope]);
  if (!definition || !shown) {
    const title = foldError ?? t("run.noDefinition.title");
    return <EmptyState icon={<Workflow />} title={title} detail={t("run.noDefinition.detail")} />;
  }
  /** A node inside the container whose item is chosen belongs to that item; any other stands for itself. */
  const open = (nodeId: string): void => nav.open({ nodeId, scope: scopeWithin(scope, containersOf(definition, nodeId)) });
  return (
    <Suspense fallback={<Skeleton className="m-6 h-15 w-52" />}>
      <WorkflowCanvas definition={definition} overlays={shown.overlays} flows={shown.flows} chosen={nav.step?.nodeId} onOpen={open} />
    </Suspense>
  );
};
