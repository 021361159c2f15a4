import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, type RouterHistory } from "@tanstack/react-router";
import { z } from "zod";
import { RunSearch } from "../features/runs/run-filters.ts";
import { RunPageSearch } from "../features/runs/run-tabs.ts";
import { WorkflowSearch, WorkflowsSearch } from "../features/workflows/workflow-search.ts";
import { NotFoundPage } from "./not-found-page.tsx";
import { PageError } from "./page-error.tsx";
import { PageSkeleton } from "../ui/page.ts";
import { Shell } from "./shell.tsx";

const rootRoute = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/workflows", replace: true });
  },
});
const workflows = createRoute({
  getParentRoute: () => rootRoute,
  path: "/workflows",
  validateSearch: WorkflowsSearch,
  component: lazyRouteComponent(() => import("../features/workflows/workflows-page.tsx"), "WorkflowsPage"),
});
const workflow = createRoute({
  getParentRoute: () => rootRoute,
  path: "/workflows/$workflowId",
  validateSearch: WorkflowSearch,
  component: lazyRouteComponent(() => import("../features/workflows/workflow-page.tsx"), "WorkflowPage"),
});
const runs = createRoute({
  getParentRoute: () => rootRoute,
  path: "/runs",
  validateSearch: RunSearch,
  component: lazyRouteComponent(() => import("../features/runs/runs-page.tsx"), "RunsPage"),
});
const run = createRoute({
  getParentRoute: () => rootRoute,
  path: "/runs/$runId",
  validateSearch: RunPageSearch,
  component: lazyRouteComponent(() => import("../features/runs/run-page.tsx"), "RunPage"),
});
/** The thing whose drawer is open, if any. */
const Opened = z.object({ open: z.uuid().optional().catch(undefined) });
const mcpServers = createRoute({
  getParentRoute: () => rootRoute,
  path: "/mcp-servers",
  validateSearch: Opened,
  component: lazyRouteComponent(() => import("../features/mcp/mcp-servers-page.tsx"), "McpServersPage"),
});
const agents = createRoute({
  getParentRoute: () => rootRoute,
  path: "/agents",
  validateSearch: Opened,
  component: lazyRouteComponent(() => import("../features/agents/agents-page.tsx"), "AgentsPage"),
});

const approvals = createRoute({
  getParentRoute: () => rootRoute,
  path: "/approvals",
  component: lazyRouteComponent(() => import("../features/approvals/approvals-page.tsx"), "ApprovalsPage"),
});

const routeTree = rootRoute.addChildren([home, workflows, workflow, runs, run, approvals, mcpServers, agents]);

/** Without a history of its own it follows the browser's. */
export const createAppRouter = (history?: RouterHistory) =>
  createRouter({
    routeTree,
    ...(history ? { history } : {}),
    defaultPreload: "intent",
    defaultPendingComponent: PageSkeleton,
    defaultErrorComponent: PageError,
    scrollRestoration: true,
  });

export type AppRouter = ReturnType<typeof createAppRouter>;

declare module "@tanstack/react-router" {
  interface Register {
    router: AppRouter;
  }
}
