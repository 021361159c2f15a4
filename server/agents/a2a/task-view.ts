import { TaskState, type Artifact, type Message, type Part, type StreamResponse, type Task } from "@a2a-js/sdk";
import type { Json } from "#contract/common.ts";
import type { ErrorCode } from "#contract/errors.ts";
import { copyJson } from "#contract/parse-json.ts";
import { AppError } from "#server/kernel/errors.ts";

/** What is known of a task, folded from everything its agent has said. Replaced by each full task that arrives. */
export type TaskView = {
  id: string | undefined;
  contextId: string | undefined;
  state: TaskState;
  /** Of the newest status, or the whole answer of an agent that made no task. */
  message: Message | undefined;
  artifacts: Map<string, Artifact>;
};

export const emptyView = (): TaskView => ({
  id: undefined,
  contextId: undefined,
  state: TaskState.TASK_STATE_UNSPECIFIED,
  message: undefined,
  artifacts: new Map(),
});

export function seeTask(view: TaskView, task: Task): void {
  view.id = task.id;
  view.contextId = task.contextId;
  view.state = task.status?.state ?? view.state;
  view.message = task.status?.message ?? view.message;
  for (const artifact of task.artifacts) view.artifacts.set(artifact.artifactId, artifact);
}

/** An agent may answer with a message alone, without a task: then that is the whole answer. */
export function seeMessage(view: TaskView, message: Message): void {
  view.message = message;
  view.contextId = message.contextId || view.contextId;
  view.state = TaskState.TASK_STATE_COMPLETED;
}

export function seeEvent(view: TaskView, { payload }: StreamResponse): void {
  if (payload?.$case === "task") seeTask(view, payload.value);
  else if (payload?.$case === "message") seeMessage(view, payload.value);
  else if (payload?.$case === "statusUpdate") {
    view.id = payload.value.taskId || view.id;
    view.contextId = payload.value.contextId || view.contextId;
    view.state = payload.value.status?.state ?? view.state;
    view.message = payload.value.status?.message ?? view.message;
  } else if (payload?.$case === "artifactUpdate" && payload.value.artifact) {
    const { artifact, append } = payload.value;
    const known = append ? view.artifacts.get(artifact.artifactId) : undefined;
    view.artifacts.set(artifact.artifactId, known ? { ...known, parts: [...known.parts, ...artifact.parts] } : artifact);
  }
}

const ENDED: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
  TaskState.TASK_STATE_INPUT_REQUIRED,
  TaskState.TASK_STATE_AUTH_REQUIRED,
]);
/** Ended, or waiting for something that a step cannot give. */
export const isSettled = (view: TaskView): boolean => ENDED.has(view.state);

export const stateName = (state: TaskState): string =>
  (TaskState[state] ?? "TASK_STATE_UNSPECIFIED").replace("TASK_STATE_", "").toLowerCase().replaceAll("_", "-");

const FAILURES: ReadonlyMap<TaskState, readonly [ErrorCode, string]> = new Map([
  [TaskState.TASK_STATE_REJECTED, ["agent_rejected", "rejected the task"]],
  [TaskState.TASK_STATE_AUTH_REQUIRED, ["agent_auth_required", "wants authentication to go on"]],
  [TaskState.TASK_STATE_INPUT_REQUIRED, ["agent_input_required", "asks for more input"]],
  [TaskState.TASK_STATE_CANCELED, ["agent_failed", "cancelled the task"]],
]);

/** `{text, data, artifacts, taskId, state}` of a completed task, else the error that its state means. */
export function outcomeOf(view: TaskView, who: string): Json {
  const said = view.message ? textOf(view.message.parts) : "";
  const why = said === "" ? "" : `: ${said.slice(0, 1_000)}`;
  if (view.state === TaskState.TASK_STATE_COMPLETED) return outputOf(view);
  const [code, what] = FAILURES.get(view.state) ?? (["agent_failed", "failed"] as const);
  throw new AppError(code, `${who} ${what}${why}`);
}

function outputOf(view: TaskView): Json {
  const artifacts = [...view.artifacts.values()];
  const parts = artifacts.length > 0 ? artifacts.flatMap((artifact) => artifact.parts) : (view.message?.parts ?? []);
  const data = parts.flatMap((part) => (part.content?.$case === "data" ? [copyJson(part.content.value ?? null)] : []));
  const text = textOf(parts) || (view.message ? textOf(view.message.parts) : "");
  return {
    text,
    // One data part is the answer itself; several are a list of answers.
    data: data.length > 1 ? data : (data[0] ?? null),
    artifacts: artifacts.map(artifactJson),
    taskId: view.id ?? null,
    state: stateName(view.state),
  };
}

export const textOf = (parts: readonly Part[]): string =>
  parts.flatMap((part) => (part.content?.$case === "text" ? [part.content.value] : [])).join("\n");

export const artifactJson = (artifact: Artifact): Json => ({
  id: artifact.artifactId,
  name: artifact.name,
  description: artifact.description,
  parts: artifact.parts.map(partJson),
});

function partJson({ content, mediaType, filename }: Part): Json {
  const about = { ...(mediaType && { mediaType }), ...(filename && { filename }) };
  if (content?.$case === "text") return { ...about, text: content.value };
  if (content?.$case === "data") return { ...about, data: copyJson(content.value ?? null) };
  if (content?.$case === "url") return { ...about, url: content.value };
  return { ...about, raw: content?.value.toString("base64") ?? "" };
}
