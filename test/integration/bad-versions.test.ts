import type pg from "pg";
import { afterAll, beforeAll, describe } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { newId } from "#server/kernel/ids.ts";
import { badInputs, type BadInput, type Code } from "#test/support/bad-inputs.ts";
import { eventually } from "#test/support/eventually.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let superuser: pg.Client;
let known: Record<string, string>;

beforeAll(async () => {
  platform = await startedPlatform();
  superuser = await platform.sql();
  const { client } = platform;
  const waiting = (name: string): DefinitionInput => ({
    version: 2,
    name,
    nodes: [
      { id: "start", type: "start" },
      { id: "hold", type: "wait", data: { signal: "go" } },
      { id: "end", type: "end" },
    ],
    edges: [
      { id: "a", source: "start", target: "hold" },
      { id: "b", source: "hold", target: "end" },
    ],
  });
  const create = (name: string) => client.createWorkflow({ body: { name, definition: JSON.parse(JSON.stringify(waiting(name))) } });
  const workflow = await create("Waits");
  const other = await create("Waits elsewhere");
  const start = (id: string) => client.startRun({ params: { id }, headers: {}, body: {} });
  const run = await start(workflow.id);
  const foreign = await start(other.id);
  // What is still on its way to the database would be taken for a change that a request has made.
  for (const { id } of [run, foreign])
    await eventually(
      () => client.getRun({ params: { id } }),
      ({ status }) => status === "waiting",
    );
  known = { workflow: workflow.id, run: run.id, foreign: foreign.id, absent: newId() };
});
afterAll(() => platform.close());

const { refuses } = badInputs(() => ({ platform, superuser, known }));

describe("moving runs", () => {
  const at = "/api/v1/workflows/{workflow}/versions/1";
  const move = (json: Json, code: Code, issues?: readonly object[]): BadInput => ({
    path: `${at}/move`,
    json,
    code,
    ...(issues && { issues }),
  });
  refuses({
    "to a workflow that does not exist": { path: "/api/v1/workflows/{absent}/versions/1/move", json: {}, code: "not_found" },
    "to a version that does not exist": { path: "/api/v1/workflows/{workflow}/versions/9/move", json: {}, code: "version_unknown" },
    "to a version that is no number": { path: "/api/v1/workflows/{workflow}/versions/newest/move", json: {}, code: "not_found" },
    "that do not exist": move({ runIds: ["{absent}"] }, "not_found"),
    "of another workflow": move({ runIds: ["{run}", "{foreign}"] }, "not_found"),
    "by no id": move({ runIds: ["mine"] }, "request_invalid", [{ path: "body.runIds[0]" }]),
    "by none": move({ runIds: [] }, "request_invalid", [{ path: "body.runIds" }]),
    "by too many ids": move({ runIds: Array.from({ length: LIMITS.movedRuns + 1 }, () => newId()) }, "request_invalid", [
      { path: "body.runIds" },
    ]),
    "by a mapping to what cannot be a node": move({ nodes: { hold: "a b" } }, "request_invalid"),
    "by a mapping of a list": move({ nodes: ["hold"] }, "request_invalid", [{ path: "body.nodes" }]),
    "by a mapping of too many nodes": move(
      { nodes: Object.fromEntries(Array.from({ length: LIMITS.nodesPerWorkflow + 1 }, (_, i) => [`n${i}`, "a"])) },
      "request_invalid",
      [{ path: "body.nodes" }],
    ),
    "with what is not asked": move({ force: true }, "request_invalid"),
    "sorted by a definition that is none": {
      path: "/api/v1/workflows/{workflow}/live-runs",
      json: { definition: 7 },
      code: "workflow_invalid",
    },
    "sorted by nothing": {
      path: "/api/v1/workflows/{workflow}/live-runs",
      json: {},
      code: "request_invalid",
      issues: [{ path: "body.definition" }],
    },
    "of a workflow that does not exist, sorted": {
      path: "/api/v1/workflows/{absent}/live-runs",
      json: { definition: 7 },
      code: "not_found",
    },
    "seen too many at once": { path: `${at}/live-runs?limit=${LIMITS.movedRuns + 1}`, code: "request_invalid" },
    "seen after a cursor that is none": { path: `${at}/live-runs?cursor=x`, code: "cursor_invalid" },
    "seen for a version that does not exist": { path: "/api/v1/workflows/{workflow}/versions/2/live-runs", code: "version_unknown" },
  });
});

describe("old definitions", () => {
  const old = (definition: Json, code: Code = "workflow_invalid", issues?: readonly object[]): BadInput => ({
    path: "/api/v1/workflows",
    json: { name: "Old", definition },
    code,
    ...(issues && { issues }),
  });
  const node = (id: string): Json => ({ id, type: "process", data: {} });
  const named = (nodeId: string): readonly object[] => [{ nodeId }];
  refuses({
    "with a cycle": old({ nodes: [node("a"), node("b")], edges: [edge("a", "b"), edge("b", "a")] }, "workflow_invalid", named("a")),
    "with an edge to nowhere": old({ nodes: [node("a")], edges: [edge("a", "gone")] }),
    "with an unknown dependency": old({ steps: { a: { type: "process", depends_on: ["ghost"] } } }),
    "with a circle of dependencies": old({ steps: { a: { depends_on: "b" }, b: { depends_on: "a" } } }, "workflow_invalid", named("a")),
    "with connections in a circle": old({ steps: [node("a"), node("b")], connections: [edge("a", "b"), edge("b", "a")] }),
    "with an id twice": old({ steps: [node("a"), node("a")] }, "workflow_invalid", named("a")),
    "without steps": old({ steps: [] }),
    "with a step that is none": old({ steps: [7] }, "workflow_invalid", named("step-1")),
    "of another shape": old({ steps: "many" }),
    "from the future": old({ version: 3, nodes: [node("a")], edges: [] }, "definition_version_unsupported", [{ path: "version" }]),
    "with more nodes than a definition may have": old({ steps: Array.from({ length: LIMITS.nodesPerWorkflow }, (_, i) => node(`s${i}`)) }),
  });
});

function edge(source: string, target: string): Json {
  return { source, target };
}
