/*
 * A run's state as JSON, so that a long journal need not be folded from its beginning: restoring and folding what comes after
 * gives exactly what folding everything gives.
 *
 * The state is a graph (scopes name their parents, sets hold steps), so steps and scopes are written as lists and named by
 * their places in them. Plans are not written: they are compiled from definitions, which never change.
 */
import type { Json } from "#contract/common.ts";
import { initialState, stepKey, type Start } from "./state.ts";
import type { Plan, PlanBody, RunState, Scope, StepState } from "./types.ts";

/** What is written as it is. */
type RunFields = Omit<RunState, "plan" | "plans" | "runId" | "forgets" | "signals" | "usedGrants" | "steps" | "scopes" | "active" | "idle">;

/** The body of a scope is the plan's for a container (null: the top), or made of some nodes. */
type ScopeRecord = Omit<Scope, "body" | "parent"> & { body: { of: string | null } | { nodes: readonly string[] }; parent: number | null };

type Snapshot = {
  v: number;
  /** Whether it follows another version than the one it began with. */
  isMoved: boolean;
  run: RunFields;
  signals: [string, Json[]][];
  usedGrants: [string, string][];
  /** The first `known` are those of `state.steps`, in order; the others are only in `active` or `idle`. */
  steps: StepState[];
  known: number;
  /** Places of `steps` that are maps, with the items that have no result yet: JSON has no holes. */
  holes: [step: number, items: number[]][];
  active: number[];
  idle: number[];
  /** The first `open` are those of `state.scopes`, in order; the others are only parents of them. */
  scopes: ScopeRecord[];
  open: number;
};

type Same<A, B> = [A, B] extends [B, A] ? true : false;
type RunFieldsOf1 =
  | ("seq" | "epoch" | "at" | "status" | "workflowId" | "version" | "input" | "output" | "error" | "initiator" | "parentStep" | "depth")
  | ("hookUrl" | "editor" | "expiresAt" | "cancel" | "isForced" | "isPaused" | "undo" | "context");
type StepFieldsOf1 =
  | ("scope" | "nodeId" | "status" | "attempt" | "generation" | "key" | "effect" | "input" | "output" | "error" | "handle" | "taskHandle")
  | ("binding" | "startedAt" | "endedAt" | "endedSeq" | "retryAt" | "question" | "waiting" | "approval" | "map" | "loop" | "team")
  | ("isUnwanted" | "isUndoing" | "hasPaused" | "resolved" | "live");
type ScopeFieldsOf1 =
  | ("path" | "body" | "containerId" | "parent" | "index" | "item" | "ended" | "calls" | "failure" | "isUnwanted" | "isUndoable")
  | "closed";
type Is1 = [Same<keyof RunFields, RunFieldsOf1>, Same<keyof StepState, StepFieldsOf1>, Same<keyof Scope, ScopeFieldsOf1>];

/**
 * A field that comes, goes or means something else makes another version, and does not compile without one: snapshots of other
 * versions are not read, their journals are folded from the beginning.
 */
export const SNAPSHOT_VERSION: Is1 extends [true, true, true] ? number : never = 1;

/** Shares its values with the state: write it down before the next event is folded. */
export function toSnapshot(state: RunState): Json {
  const { plan, plans, runId: _runId, forgets: _forgets, signals, usedGrants, steps: known, scopes: open, active, idle, ...run } = state;
  const steps = placesOf([...known.values(), ...active, ...idle]);
  const scopes = placesOf([...open.values(), ...ancestorsOf(open.values())]);
  const bodies = new Map([...plan.bodies].map(([of, body]) => [body, of]));
  const snapshot: Snapshot = {
    v: SNAPSHOT_VERSION,
    isMoved: plans.get(state.version) === plan,
    run,
    signals: [...signals],
    usedGrants: [...usedGrants],
    steps: [...steps.keys()],
    known: known.size,
    holes: [...steps].flatMap(([step, place]) => holesOf(step, place)),
    active: [...active].map((step) => steps.get(step) ?? 0),
    idle: [...idle].map((step) => steps.get(step) ?? 0),
    scopes: [...scopes.keys()].map(({ body, parent, ...scope }) => ({
      ...scope,
      body: bodyRecord(body, bodies),
      parent: parent && (scopes.get(parent) ?? null),
    })),
    open: open.size,
  };
  return isJson(snapshot) ? snapshot : null;
}

/** Undefined when the snapshot is of another version of this code, or follows a version of the workflow that was not loaded. */
export function fromSnapshot(plan: Plan, json: Json, start: Start = {}): RunState | undefined {
  if (!isSnapshot(json)) return undefined;
  const { run, steps } = json;
  const followed = json.isMoved ? start.plans?.get(run.version) : plan;
  if (!followed) return undefined;
  for (const [place, items] of json.holes) for (const item of items) delete steps[place]?.map?.results[item];
  const scopes = restoreScopes(json.scopes, followed);
  return {
    ...initialState(followed, start),
    ...run,
    signals: new Map(json.signals),
    usedGrants: new Map(json.usedGrants),
    steps: new Map(steps.slice(0, json.known).map((step) => [stepKey(step.scope, step.nodeId), step])),
    scopes: new Map(scopes.slice(0, json.open).map((scope) => [scope.path, scope])),
    active: new Set(json.active.flatMap((place) => steps[place] ?? [])),
    idle: new Set(json.idle.flatMap((place) => steps[place] ?? [])),
  };
}

/** The version that the run follows in this snapshot. Undefined when it is of another version of this code. */
export const versionOfSnapshot = (json: Json): number | undefined => (isSnapshot(json) ? json.run.version : undefined);

const placesOf = <T>(items: readonly T[]): Map<T, number> => new Map([...new Set(items)].map((item, place) => [item, place]));

/** A scope that is over may live on only as the parent of others. */
function* ancestorsOf(scopes: Iterable<Scope>): Generator<Scope> {
  for (const scope of scopes) for (let at = scope.parent; at; at = at.parent) yield at;
}

function holesOf({ map }: StepState, place: number): [step: number, items: number[]][] {
  if (!map) return [];
  const items: number[] = [];
  for (let item = 0; item < map.results.length; item += 1) if (!(item in map.results)) items.push(item);
  return items.length === 0 ? [] : [[place, items]];
}

function bodyRecord(body: PlanBody, bodies: ReadonlyMap<PlanBody, string | null>): ScopeRecord["body"] {
  const of = bodies.get(body);
  return of === undefined ? { nodes: body.nodes.map(({ id }) => id) } : { of };
}

function restoreScopes(records: readonly ScopeRecord[], plan: Plan): Scope[] {
  const scopes: Scope[] = [];
  const linked = (place: number): Scope | null => {
    const known = scopes[place];
    const record = records[place];
    if (known || !record) return known ?? null;
    const { body, parent, ...scope } = record;
    const restored = { ...scope, body: restoreBody(body, plan), parent: parent === null ? null : linked(parent) };
    scopes[place] = restored;
    return restored;
  };
  for (const place of records.keys()) linked(place);
  return scopes;
}

function restoreBody(record: ScopeRecord["body"], plan: Plan): PlanBody {
  if ("of" in record) return plan.bodies.get(record.of) ?? { nodes: [], entries: [], terminals: [] };
  const nodes = record.nodes.flatMap((id) => plan.nodes.get(id) ?? []);
  return {
    nodes,
    entries: nodes.filter(({ incoming }) => incoming === 0),
    terminals: nodes.filter(({ outgoing }) => outgoing.length === 0),
  };
}

type Written = null | boolean | number | string | readonly Written[] | { readonly [key: string]: Written | undefined };
/** What `JSON.stringify` makes of it loses nothing but members that are undefined. */
const isJson = (_value: Written): _value is Json => true;

function isSnapshot(json: Json): json is Json & Snapshot {
  return typeof json === "object" && json !== null && "v" in json && json["v"] === SNAPSHOT_VERSION;
}
