import { z } from "zod";
import { Id, IdParams, Identifier, Json, PageQuery, pageOf } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";
import { RunStatus } from "./runs.ts";

/**
 * Whether a live run could go on with another version: at once, once somebody says what its steps are called there, or not at all.
 */
export const VERDICTS = ["compatible", "needs_mapping", "must_finish"] as const;
export const Verdict = z.enum(VERDICTS);
export type Verdict = z.infer<typeof Verdict>;

/** What keeps a run from being moved. The first three are cured by another mapping. */
export const MOVE_OBSTACLES = [
  /** A step that has begun has no node of its name, type and container there. */
  "mapping_missing",
  /** The mapping names a node that is not there, or is of another kind. */
  "mapping_wrong",
  /** Two steps would become one. */
  "mapping_ambiguous",
  /** A step that has begun has no node there that it could be. */
  "node_missing",
  /** What is under way under its name must keep it: somebody has been asked, or knows its address. */
  "name_in_use",
  /** What is under way would have to be another call, or wait for something else. */
  "step_changed",
  /** A step there would have to come before one that has begun. */
  "comes_too_late",
  /** There, the run would not have come to a step that has begun. */
  "way_changed",
  "call_open",
  "not_parked",
  "run_ending",
  /** It follows another version by now. */
  "version_changed",
  "editor_run",
  /** The run's values are stored in clear; there, they would have to be encrypted. */
  "classification_changed",
  "input_incompatible",
  /** Its journal is longer than what is read to sort a run. */
  "journal_too_long",
] as const;
export const MoveObstacle = z.enum(MOVE_OBSTACLES);
export type MoveObstacle = z.infer<typeof MoveObstacle>;

export const MoveReason = z.object({ code: MoveObstacle, message: z.string(), nodeId: z.string().optional() });
export type MoveReason = z.infer<typeof MoveReason>;

/** A step that a mapping must name, and the nodes that it could be, the likeliest first. */
export const Unmapped = z.object({ nodeId: z.string(), candidates: z.array(z.string()) });
export type Unmapped = z.infer<typeof Unmapped>;

export const Sorted = z.object({ verdict: Verdict, reasons: z.array(MoveReason), unmapped: z.array(Unmapped) });
export type Sorted = z.infer<typeof Sorted>;

export const LiveRun = Sorted.extend({ runId: Id, version: z.number().int(), status: RunStatus });
export type LiveRun = z.infer<typeof LiveRun>;

export const MovedRun = LiveRun.extend({
  /** `accepted`: the run goes on with the version as soon as it takes the message up, unless it has changed until then. */
  outcome: z.enum(["accepted", "refused"]),
});
export type MovedRun = z.infer<typeof MovedRun>;

/** What the nodes of a run's version are called in the other one; those that keep their names need no entry. */
const Mapping = z
  .record(Identifier, Identifier)
  .refine((nodes) => Object.keys(nodes).length <= LIMITS.nodesPerWorkflow, `expected at most ${LIMITS.nodesPerWorkflow} nodes`)
  .default({});

export const MoveRuns = z.strictObject({
  /** Absent: all live runs on other versions, the newest first, as many as go into one request. */
  runIds: z.array(Id).min(1).max(LIMITS.movedRuns).optional(),
  nodes: Mapping,
});

/** How the live runs on other versions are sorted by a version. */
export const LiveRunCounts = z.object({
  compatible: z.number().int(),
  needsMapping: z.number().int(),
  mustFinish: z.number().int(),
  /** There are more live runs than were looked at; `live-runs` of the version lists them all. */
  hasMore: z.boolean(),
});
export type LiveRunCounts = z.infer<typeof LiveRunCounts>;

const SortQuery = PageQuery.extend({ limit: z.coerce.number().int().min(1).max(LIMITS.movedRuns).default(20) });
const VersionParams = z.object({ id: Id, version: z.coerce.number().int().min(1).max(2_147_483_647) });
const tag = "workflows";
export const listLiveRuns = defineRoute({
  name: "listLiveRuns",
  method: "GET",
  path: "/api/v1/workflows/:id/versions/:version/live-runs",
  summary: "List the live runs on other versions, newest first, and whether each could go on with this one",
  tag,
  permission: "run:read",
  params: VersionParams,
  query: SortQuery,
  response: pageOf(LiveRun),
  errors: ["not_found", "version_unknown", "cursor_invalid"],
});
export const sortLiveRuns = defineRoute({
  name: "sortLiveRuns",
  method: "POST",
  path: "/api/v1/workflows/:id/live-runs",
  summary: "List the live runs, newest first, and whether each could go on with a definition before it is published",
  tag,
  permission: "run:read",
  params: IdParams,
  query: SortQuery,
  body: z.strictObject({ definition: Json, nodes: Mapping }),
  response: pageOf(LiveRun),
  errors: ["not_found", "workflow_invalid", "definition_version_unsupported", "cursor_invalid"],
});
export const moveRuns = defineRoute({
  name: "moveRuns",
  method: "POST",
  path: "/api/v1/workflows/:id/versions/:version/move",
  summary: "Let parked runs on other versions go on with this one",
  tag,
  permission: "run:control",
  params: VersionParams,
  body: MoveRuns,
  response: z.object({ items: z.array(MovedRun) }),
  status: 202,
  errors: ["not_found", "version_unknown"],
});
