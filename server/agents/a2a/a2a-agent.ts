import { Role, type Message, type Part, type SendMessageRequest, type StreamResponse } from "@a2a-js/sdk";
import { TaskNotFoundError } from "@a2a-js/sdk/errors";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import { abortError, endsWork, pause } from "../abort.ts";
import type { AgentOf } from "../agent.ts";
import type { AgentEvent, AgentPort, Envelope } from "../agent-port.ts";
import { a2aError, isOutcomeUnknown } from "./a2a-errors.ts";
import type { A2aConnection, A2aConnector } from "./connection.ts";
import {
  artifactJson,
  emptyView,
  isSettled,
  outcomeOf,
  seeEvent,
  seeMessage,
  seeTask,
  stateName,
  textOf,
  type TaskView,
} from "./task-view.ts";

const POLL_MIN_MS = 250;
const POLL_MAX_MS = 5_000;
const CANCEL_MS = 5_000;
export const TASK_HANDLE = "a2a_task";

type Call = A2aConnection & { envelope: Envelope; signal: AbortSignal; view: TaskView };

/**
 * One A2A agent. The message is sent once, with the idempotency key as its id; as soon as the agent names a task, the task
 * is followed until it settles, over broken streams and restarts of the agent alike. A call with a handle sends nothing.
 */
export function a2aAgent(connector: A2aConnector, agent: AgentOf<"a2a">): AgentPort {
  return {
    async *invoke(envelope, signal): AsyncGenerator<AgentEvent> {
      const call: Call = { ...(await connector.open(agent, signal)), envelope, signal, view: emptyView() };
      const resumed = envelope.handle?.kind === TASK_HANDLE ? envelope.handle.id : undefined;
      try {
        if (resumed === undefined) yield* send(call);
        else call.view.id = resumed;
        yield* follow(call);
        if (signal.aborted) throw abortError(signal, agent.name);
        yield { type: "result", output: outcomeOf(call.view, agent.name) };
      } catch (thrown) {
        connector.forget(agent.id);
        const error = a2aError(thrown, { who: agent.name, signal, watch: call.watch, doing: "follow" });
        if (shouldCancel(call, error)) await cancel(call);
        throw error;
      }
    },
  };
}

async function* send(call: Call): AsyncGenerator<AgentEvent> {
  const { client, envelope, signal, view, streams, watch } = call;
  try {
    if (streams) yield* listen(client.sendMessageStream(requestOf(envelope), { signal }), call);
    else {
      const answer = await client.sendMessage(requestOf(envelope), { signal });
      if ("messageId" in answer) seeMessage(view, answer);
      else {
        seeTask(view, answer);
        yield handleOf(view, answer.id);
      }
    }
  } catch (thrown) {
    // Once there is a task, a broken stream is no failure: the task is looked up.
    if (view.id !== undefined && !signal.aborted) return;
    const error = a2aError(thrown, { who: envelope.to, signal, watch, doing: "send" });
    if (envelope.repeatable || signal.aborted || !isOutcomeUnknown(watch)) throw error;
    throw inDoubt(`The connection to ${envelope.to} broke after the message was sent, before it named a task.`, error);
  }
}

/** Passes on what a stream tells and folds it into the view. The handle comes with the first event that names the task. */
async function* listen(stream: AsyncIterable<StreamResponse>, { view, envelope }: Call): AsyncGenerator<AgentEvent> {
  for await (const event of stream) {
    const before = view.id;
    seeEvent(view, event);
    if (before === undefined && view.id !== undefined && envelope.handle === undefined) yield handleOf(view, view.id);
    const { payload } = event;
    if (payload?.$case === "artifactUpdate" && payload.value.artifact) {
      yield { type: "artifact", artifact: artifactJson(payload.value.artifact) };
    } else if (payload?.$case === "statusUpdate" && !isSettled(view)) {
      yield { type: "message", content: { state: stateName(view.state), text: textOf(view.message?.parts ?? []) } };
    }
    if (isSettled(view)) return;
  }
}

const handleOf = (view: TaskView, id: string): AgentEvent => ({
  type: "handle",
  handle: { kind: TASK_HANDLE, id, data: { contextId: view.contextId ?? null } },
});

/** Until the task settles or the call is aborted. An agent that cannot be reached now may be back before the deadline. */
async function* follow(call: Call): AsyncGenerator<AgentEvent> {
  const { client, signal, view, streams } = call;
  let waitMs = POLL_MIN_MS;
  while (!isSettled(view) && !signal.aborted) {
    if (view.id === undefined)
      throw new AppError("agent_protocol_error", `${call.envelope.to} answered with neither a task nor a message.`);
    await look(call, view.id);
    if (!isSettled(view) && streams) {
      // A stream that cannot be had again is no failure: the next look tells.
      yield* unlessBroken(listen(client.resubscribeTask({ tenant: "", id: view.id }, { signal }), call));
    }
    if (!isSettled(view)) await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 1.5, POLL_MAX_MS);
  }
}

async function look({ client, signal, view, watch, envelope }: Call, id: string): Promise<void> {
  try {
    seeTask(view, await client.getTask({ tenant: "", id }, { signal }));
  } catch (thrown) {
    if (thrown instanceof TaskNotFoundError) throw inDoubt(`${envelope.to} does not know its task ${id} any more.`, thrown);
    const error = a2aError(thrown, { who: envelope.to, signal, watch, doing: "follow" });
    if (!error.retryable) throw error;
  }
}

async function* unlessBroken<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await iterator.next().catch(() => ({ done: true, value: undefined }) as const);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

const inDoubt = (message: string, cause: unknown): AppError => new AppError("step_in_doubt", message, { cause });

/** A task that waits for input nobody will give would wait forever. A run that went elsewhere still needs its task. */
function shouldCancel({ view }: Call, error: AppError): boolean {
  if (view.id === undefined) return false;
  return error.code === "agent_input_required" || error.code === "agent_auth_required" || (!isSettled(view) && endsWork(error));
}

async function cancel({ client, view }: Call): Promise<void> {
  // Best effort: the task may have ended, or the agent may be gone.
  await client
    .cancelTask({ tenant: "", id: view.id ?? "", metadata: undefined }, { signal: AbortSignal.timeout(CANCEL_MS) })
    .catch(() => undefined);
}

function requestOf(envelope: Envelope): SendMessageRequest {
  const message: Message = {
    messageId: envelope.idempotencyKey,
    contextId: "",
    taskId: "",
    role: Role.ROLE_USER,
    parts: partsOf(envelope.content),
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
  const configuration = { acceptedOutputModes: [], taskPushNotificationConfig: undefined, returnImmediately: true };
  return { tenant: "", message, configuration, metadata: undefined };
}

/** A string is one text part; `{text, data}` (one of them or both) is a part each; anything else is one data part. */
export function partsOf(content: Json): Part[] {
  if (typeof content === "string") return [textPart(content)];
  if (content === null || typeof content !== "object" || Array.isArray(content)) return [dataPart(content)];
  const { text, data, ...others } = content;
  if (Object.keys(others).length > 0 || (text !== undefined && typeof text !== "string")) return [dataPart(content)];
  const parts = [...(typeof text === "string" ? [textPart(text)] : []), ...(data === undefined ? [] : [dataPart(data)])];
  return parts.length > 0 ? parts : [dataPart(content)];
}

const textPart = (value: string): Part => ({
  content: { $case: "text", value },
  metadata: undefined,
  filename: "",
  mediaType: "text/plain",
});
const dataPart = (value: Json): Part => ({
  content: { $case: "data", value },
  metadata: undefined,
  filename: "",
  mediaType: "application/json",
});
