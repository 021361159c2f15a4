import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { ElicitResult } from "@modelcontextprotocol/client";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { QuestionAnswer, ServerQuestion } from "#contract/mcp/questions.ts";
import type { ToolResult } from "#contract/mcp/tools.ts";
import { contentHash } from "#server/kernel/content-hash.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { Ask } from "../connection/open-call.ts";
import { checkAnswer, findingsOf, questionOf } from "./show-question.ts";

/** A call of somebody outside a run. What it is about is bound into every token that is given out for it. */
export type ResumableCall = {
  about: { tenantId: string; principal: string; toolId: string; arguments: Record<string, unknown> };
  /** The address that the server is reached at, if it has one. */
  own: string | undefined;
  signal: AbortSignal;
  run: (ask: Ask, signal: AbortSignal) => Promise<ToolResult>;
};
export type Resume = { token: string; answers: Record<string, QuestionAnswer> };

type Asked = { questions: Record<string, ServerQuestion>; answer: (answers: Record<string, ElicitResult>) => void };
type Outcome = { asked: Asked } | { ended: Promise<ToolResult> };
/** A call that waits for its caller to come back with the answers. */
type Waiting = Asked & { tenantId: string; underWay: UnderWay; timer: NodeJS.Timeout };
type UnderWay = { next: () => Promise<Outcome>; giveUp: () => void };

export type ResumableCalls = (call: ResumableCall, resume: Resume | undefined) => Promise<ToolResult>;

/**
 * Calls outside runs whose server may ask something: the caller is told what, gets a token, and makes the same call again with
 * the answers. Meanwhile the call stays open in this process, for a while. A token works once, for the same caller, tool and
 * arguments; it is sealed with a key that only this process has.
 */
export function createResumableCalls(deps: { newId: () => string; now: () => Date; redactor: Redactor }): ResumableCalls {
  const waiting = new Map<string, Waiting>();
  const seal = createSeal();

  const park = (call: ResumableCall, underWay: UnderWay, asked: Asked): AppError => {
    const id = deps.newId();
    const { tenantId } = call.about;
    const forget = (): void => {
      waiting.delete(id);
      underWay.giveUp();
    };
    waiting.set(id, { ...asked, tenantId, underWay, timer: setTimeout(forget, LIMITS.mcpResumeMs).unref() });
    const expiresAt = new Date(deps.now().getTime() + LIMITS.mcpResumeMs).toISOString();
    const questions = Object.entries(asked.questions).map(([key, one]): [string, Json] => [
      key,
      { ...one, findings: findingsOf(one, call.own) },
    ]);
    const input = { resume: seal.close(id, call.about), expiresAt, questions: Object.fromEntries(questions) };
    return new AppError("mcp_input_required", "The tool's server needs answers before it goes on.", { input });
  };
  const mayWait = (tenantId: string): boolean =>
    [...waiting.values()].filter((one) => one.tenantId === tenantId).length < LIMITS.mcpResumableCalls;

  const follow = async (call: ResumableCall, underWay: UnderWay): Promise<ToolResult> => {
    call.signal.addEventListener("abort", underWay.giveUp, { once: true });
    if (call.signal.aborted) underWay.giveUp();
    try {
      const outcome = await underWay.next();
      if ("ended" in outcome) return await outcome.ended;
      throw park(call, underWay, outcome.asked);
    } finally {
      // From here on the caller may leave: the call waits for it to come back.
      call.signal.removeEventListener("abort", underWay.giveUp);
    }
  };
  return async (call, resume) => {
    if (resume === undefined) return follow(call, begin(call, { mayWait: () => mayWait(call.about.tenantId), redactor: deps.redactor }));
    const id = seal.open(resume.token, call.about);
    const found = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || found === undefined)
      throw new AppError("mcp_resume_invalid", "Nothing waits for these answers: not from you, for this tool and with these arguments.");
    for (const [key, given] of Object.entries(resume.answers)) checkGiven(found.questions, key, given);
    waiting.delete(id);
    clearTimeout(found.timer);
    found.answer(Object.fromEntries(Object.keys(found.questions).map((key) => [key, resume.answers[key] ?? { action: "cancel" }])));
    return follow(call, found.underWay);
  };
}

function checkGiven(questions: Record<string, ServerQuestion>, key: string, given: QuestionAnswer): void {
  const question = Object.hasOwn(questions, key) ? questions[key] : undefined;
  if (question === undefined) throw new AppError("request_invalid", `There is no question ${JSON.stringify(key.slice(0, 80))}.`);
  checkAnswer(question, given);
}

/** Starts the call. Each `next` is what happens to it next. */
function begin(call: ResumableCall, { mayWait, redactor }: { mayWait: () => boolean; redactor: Redactor }): UnderWay {
  const ended = new AbortController();
  const happened: Outcome[] = [];
  let wake = (): void => {};
  const tell = (outcome: Outcome): void => {
    happened.push(outcome);
    wake();
  };
  const ask: Ask = (asked, signal) => {
    if (!mayWait()) return Promise.resolve({});
    const questions = Object.fromEntries(Object.entries(asked).map(([key, params]) => [key, questionOf(params, redactor)]));
    return new Promise((answer, reject) => {
      signal.addEventListener("abort", () => reject(new AppError("step_cancelled", "The question was given up.")), { once: true });
      tell({ asked: { questions, answer } });
    });
  };
  const running = call.run(ask, ended.signal);
  running.then(
    () => tell({ ended: running }),
    () => tell({ ended: running }),
  );
  return {
    giveUp: () => ended.abort(),
    next: async () => {
      while (happened.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return happened.shift() ?? { ended: running };
    },
  };
}

const NONCE = 12;
const TAG = 16;

/** AES-256-GCM: a token that was changed, or is used for anything else than it was made for, does not open. */
function createSeal() {
  const key = randomBytes(32);
  const bound = (about: ResumableCall["about"]): Buffer => contentHash(about);
  return {
    close(id: string, about: ResumableCall["about"]): string {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(bound(about));
      const sealed = Buffer.concat([cipher.update(id, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open(token: string, about: ResumableCall["about"]): string | undefined {
      const bytes = Buffer.from(token, "base64url");
      if (bytes.length <= NONCE + TAG) return undefined;
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE)).setAAD(bound(about));
        decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
        return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString("utf8");
      } catch {
        return undefined;
      }
    },
  };
}
