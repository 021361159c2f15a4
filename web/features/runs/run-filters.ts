import { z } from "zod";
import { RUN_STATUSES, RunMode, RunStatus } from "#contract/runs.ts";
import type { RunFilter } from "../../api/runs.ts";

const Day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/)
  .refine((day) => !Number.isNaN(Date.parse(day)));

/**
 * The filters as they stand in the address bar: `?status=failed,running&workflow=…&tag=…&mode=editor&dead=true&from=2026-01-31`. What cannot be
 * understood is dropped rather than refused: an old link still shows a list.
 */
export const RunSearch = z.object({
  status: z.string().optional().catch(undefined),
  workflow: z.uuid().optional().catch(undefined),
  tag: z.coerce.string().min(1).max(64).optional().catch(undefined),
  mode: RunMode.optional().catch(undefined),
  dead: z.literal(true).optional().catch(undefined),
  from: Day.optional().catch(undefined),
  to: Day.optional().catch(undefined),
});
export type RunSearch = z.infer<typeof RunSearch>;

export function filterFromSearch({ status, workflow, tag, mode, dead, from, to }: RunSearch): RunFilter {
  const statuses = (status?.split(",") ?? []).flatMap((word) => RunStatus.safeParse(word).data ?? []);
  return {
    ...(statuses.length > 0 ? { status: inOrder(statuses) } : {}),
    ...(workflow === undefined ? {} : { workflowId: workflow }),
    ...(tag === undefined ? {} : { tag }),
    ...(mode === undefined ? {} : { mode }),
    ...(dead === undefined ? {} : { dead }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

export function searchFromFilter({ status = [], workflowId, tag, mode, dead, from, to }: RunFilter): RunSearch {
  return {
    ...(status.length > 0 ? { status: inOrder(status).join(",") } : {}),
    ...(workflowId === undefined ? {} : { workflow: workflowId }),
    ...(tag === undefined || tag === "" ? {} : { tag }),
    ...(mode === undefined ? {} : { mode }),
    ...(dead === undefined ? {} : { dead }),
    ...(from === undefined || from === "" ? {} : { from }),
    ...(to === undefined || to === "" ? {} : { to }),
  };
}

/** One order, so that equal filters are equal addresses and share what was read. */
const inOrder = (statuses: readonly RunStatus[]): RunStatus[] => RUN_STATUSES.filter((status) => statuses.includes(status));

export const isFiltered = (filter: RunFilter): boolean => Object.keys(filter).length > 0;
