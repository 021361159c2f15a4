import {
  approveTool,
  approveTools,
  disableTool,
  enableTool,
  getToolDiff,
  getToolHistory,
  getToolUse,
  rejectTool,
  rejectTools,
} from "#contract/mcp/tool-review.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import { toolDecisions, type DecideDeps } from "./decide-tools.ts";
import { createToolNews } from "./tool-news.ts";
import { createToolWaits, type WaitDeps } from "./waits.ts";
import { toolReviews, type ReviewDeps } from "./review-tools.ts";

type Deps = Omit<DecideDeps, "waits" | "news"> & ReviewDeps & Omit<WaitDeps, "everyMs"> & { settleMs: number; live: LiveBus };

export type ToolReview = {
  routes: Handled[];
  /** Begins to let steps go on that have waited for a decision; decisions made here are told without it. */
  start(): void;
  stop(): Promise<void>;
};

/** What a person looks at before deciding about a tool, the decisions, and the steps that wait for them. */
export function createToolReview(deps: Deps): ToolReview {
  const waits = createToolWaits({ ...deps, everyMs: deps.settleMs });
  const decisions = toolDecisions({ ...deps, waits, news: createToolNews(deps) });
  const reviews = toolReviews(deps);
  const routes = [
    handle(getToolDiff, ({ caller, params, query }) => reviews.diff(caller, { ...params, ...query })),
    handle(getToolHistory, ({ caller, params }) => reviews.history(caller, params.id)),
    handle(getToolUse, ({ caller, params }) => reviews.use(caller, params.id)),
    handle(approveTool, ({ caller, params, body }) => decisions.approve(caller, { ...params, ...body })),
    handle(approveTools, ({ caller, body }) => decisions.approveAll(caller, body)),
    handle(rejectTool, ({ caller, params, body }) => decisions.reject(caller, { ...params, ...body })),
    handle(rejectTools, ({ caller, body }) => decisions.rejectAll(caller, body)),
    handle(disableTool, ({ caller, params, body }) => decisions.disable(caller, { ...params, ...body })),
    handle(enableTool, ({ caller, params, body }) => decisions.enable(caller, { ...params, ...body })),
  ];
  return { routes, start: () => waits.start(), stop: () => waits.stop() };
}
