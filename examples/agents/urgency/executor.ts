import { Role, TaskState, type Message, type Part, type TaskStatus } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutor, type ExecutionEventBus, type RequestContext } from "@a2a-js/sdk/server";
import { RankInput, rankItems, type Ranked } from "./rank.ts";

/** Ranks the items of one data part and answers with a task whose artifact is the list. */
export const urgencyExecutor: AgentExecutor = {
  execute: async ({ taskId, contextId, userMessage }: RequestContext, bus: ExecutionEventBus): Promise<void> => {
    const status = (state: TaskState, text?: string): TaskStatus => ({
      state,
      message: text === undefined ? undefined : agentMessage({ taskId, contextId, text }),
      timestamp: new Date().toISOString(),
    });
    const end = (state: TaskState, text?: string): void => {
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state, text), metadata: undefined }));
      bus.finished();
    };
    bus.publish(
      AgentEvent.task({
        id: taskId,
        contextId,
        status: status(TaskState.TASK_STATE_WORKING),
        artifacts: [],
        history: [userMessage],
        metadata: undefined,
      }),
    );
    const input = RankInput.safeParse(userMessage.parts.map(dataOf).find((data) => data !== undefined));
    if (!input.success)
      return end(TaskState.TASK_STATE_REJECTED, "Expected one data part with `items`: id, label, summary, issues, dates.");
    const ranking = rankItems(input.data.items);
    const parts = [
      part({ $case: "data", value: { ranking } }, "application/json"),
      part({ $case: "text", value: textOf(ranking) }, "text/plain"),
    ];
    const artifact = {
      artifactId: "ranking",
      name: "ranking",
      description: "Most urgent first",
      parts,
      metadata: undefined,
      extensions: [],
    };
    bus.publish(AgentEvent.artifactUpdate({ taskId, contextId, artifact, append: false, lastChunk: true, metadata: undefined }));
    return end(TaskState.TASK_STATE_COMPLETED);
  },
  // Ranking takes no time: whoever cancels finds the task ended.
  cancelTask: async (): Promise<void> => {},
};

const dataOf = ({ content }: Part): unknown => (content?.$case === "data" ? content.value : undefined);
const part = (content: NonNullable<Part["content"]>, mediaType: string): Part => ({
  content,
  mediaType,
  filename: "",
  metadata: undefined,
});
const textOf = (ranking: readonly Ranked[]): string =>
  ranking.map(({ id, score, reasons }, i) => `${i + 1}. ${id} (${score}): ${reasons.join("; ")}`).join("\n");

const agentMessage = ({ taskId, contextId, text }: { taskId: string; contextId: string; text: string }): Message => ({
  messageId: crypto.randomUUID(),
  taskId,
  contextId,
  role: Role.ROLE_AGENT,
  parts: [part({ $case: "text", value: text }, "text/plain")],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
});
