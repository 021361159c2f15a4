import type { Json } from "#contract/common.ts";
import type { AgentEvent, AgentPort } from "../agent-port.ts";
import { abortError } from "../abort.ts";
import { ChatCall, type ChatAnswer } from "../chat-call.ts";
import { classify } from "./classify.ts";
import { keyPhrases } from "./key-phrases.ts";
import { summarise } from "./summarise.ts";
import { readTask, type OfflineTask } from "./task.ts";
import { countWords } from "./text.ts";

export const OFFLINE_MODEL = "offline/extractive";
/** The name before the `/`; no agent may take it. */
export const OFFLINE_PROVIDER = "offline";
export const OFFLINE_DESCRIPTION = "no language model: extractive text statistics";
/** Also the `system_fingerprint` of its answers: changes whenever the same question may get another answer. */
export const OFFLINE_VERSION = "auterity-extractive-1";

type Done = { text: string; json: Json };

/** The answer as text, and as the document that `responseSchema` asks for: `{summary, sentences}`, `{phrases}` or `{label, confidence, scores}`. */
function perform(task: OfflineTask): Done {
  if (task.kind === "summarise") {
    const { summary, sentences } = summarise(task.text, task.sentences);
    return { text: summary, json: { summary, sentences } };
  }
  if (task.kind === "key phrases") {
    const phrases = keyPhrases(task.text, task.count);
    return { text: phrases.join("\n"), json: { phrases } };
  }
  const { label, confidence, scores } = classify(task.text, task.examples);
  return { text: label, json: { label, confidence, scores } };
}

/** Answers at once, in this process, the same for the same question. Usage is counted in words, as there are no tokens. */
export const offlineModel: AgentPort = {
  async *invoke(envelope, signal): AsyncGenerator<AgentEvent> {
    if (signal.aborted) throw abortError(signal, OFFLINE_MODEL);
    const call = ChatCall.parse(envelope.content);
    const done = perform(readTask(call.messages));
    const full = call.responseSchema ? JSON.stringify(done.json) : done.text;
    const text = call.maxTokens === undefined || call.responseSchema ? full : firstWords(full, call.maxTokens);
    for (const part of text.match(/[^\n]*?(?:[.!?]\s+|\n|$)/g) ?? []) if (part !== "") yield { type: "token", text: part };
    yield { type: "result", output: answer(call, { text, json: call.responseSchema ? done.json : null, isCut: text !== full }) };
  },
};

function answer(call: ChatCall, { text, json, isCut }: { text: string; json: Json; isCut: boolean }): ChatAnswer {
  const promptTokens = call.messages.reduce((sum, message) => sum + countWords(message.content), 0);
  const completionTokens = countWords(text);
  const usage = { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, unit: "words" } as const;
  return { text, json, usage, finishReason: isCut ? "length" : "stop", toolCalls: [] };
}

const firstWords = (text: string, count: number): string => (text.match(/\S+\s*/g) ?? []).slice(0, count).join("").trimEnd();
