import type { Json } from "#contract/common.ts";
import { AppError, toAppError } from "../../kernel/errors.ts";
import type { Egress, Frame, FrameSink, Redactor, SecretReader } from "../../kernel/ports.ts";
import type { StepCall, StepExecutor } from "../../kernel/step-executor.ts";
import { readInput, requestOf, type HttpInput } from "./http-request.ts";
import { readAnswer, retryAfterMs, type HttpAnswer } from "./http-response.ts";

export type HttpDeps = {
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  redactor: Redactor;
  newId: () => string;
  now: () => Date;
};

const PLATFORM = "auterity";
const CAUSE_CHARS = 2_000;
/** Answers after which the same request may succeed, RFC 9110 and 6585. */
const PASSING = new Set([408, 425, 429]);
/** Failures before anything was sent. */
const UNSENT = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);

/**
 * Calls a web address, through the guard. Every failure of the network is told apart by whether the request can have arrived: if it
 * can and must not be repeated, the step is in doubt.
 */
export function httpExecutor(deps: HttpDeps): StepExecutor {
  return {
    prepare: async ({ input }) => {
      readInput(input);
      return {};
    },
    run: async (call) => {
      const input = readInput(call.input);
      const record = recorder(deps, call, input);
      record("request", { url: input.url, headers: input.headers, body: input.body ?? null });
      try {
        const answer = deps.redactor.json(await exchange(deps, call, input));
        record("response", answer);
        if (answer.status >= 200 && answer.status < 300) return answer;
        throw refused(answer, { input, now: deps.now().getTime() });
      } catch (thrown) {
        const error = toAppError(thrown);
        if (!(error.cause instanceof Answered)) record("error", { code: error.code, message: error.message, retryable: error.retryable });
        throw error;
      }
    },
  };
}

async function exchange({ egress, secrets }: HttpDeps, call: StepCall, input: HttpInput): Promise<HttpAnswer> {
  const { tenantId, environment, step, signal } = call;
  const usedBy = `run:${step.runId}`;
  const request = await requestOf(input, call, (name) => secrets.read({ tenantId, environment, name, usedBy }));
  const { method, headers, body } = request;
  try {
    const response = await egress.fetchFor(tenantId, "http")(input.url, { method, headers, signal, ...(body !== undefined && { body }) });
    return await readAnswer(response);
  } catch (thrown) {
    throw networkError(thrown, call, input);
  }
}

/** The other side's answer as a cause: its text is what a person wants to read. */
class Answered extends Error {}

function refused({ status, headers, body }: HttpAnswer, { input, now }: { input: HttpInput; now: number }): AppError {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const waitMs = retryAfterMs(headers["retry-after"], now);
  return new AppError("http_failed", `${nameOf(input)} answered with ${status}.`, {
    retryable: PASSING.has(status) || status >= 500,
    retryAfterMs: waitMs,
    cause: new Answered(text.slice(0, CAUSE_CHARS)),
  });
}

function networkError(thrown: unknown, { signal, effect }: StepCall, input: HttpInput): AppError {
  const own = appErrorWithin(thrown);
  if (own) return own;
  if (signal.aborted && signal.reason instanceof AppError) return signal.reason;
  const { code, reason } = failureOf(thrown);
  const message = `${nameOf(input)} could not be completed: ${reason}.`;
  const isUnsent = code !== undefined && UNSENT.has(code);
  const remedy = isUnsent
    ? "Check the address, and that the other side runs."
    : "Look whether the other side is well; the connection broke.";
  if (isUnsent || effect === "none" || effect === "idempotent")
    return new AppError("http_failed", message, { retryable: !/CERT|TLS|SIGNED|VERIFY/.test(code ?? ""), remedy, cause: thrown });
  return new AppError("step_in_doubt", `${message.slice(0, -1)}, after the request may have been sent.`, { cause: thrown });
}

/** The first `AppError` among an error and its causes: `fetch` wraps what its connector and our readers throw. */
function appErrorWithin(thrown: unknown): AppError | undefined {
  for (let at = thrown; at instanceof Error; at = at.cause) if (at instanceof AppError) return at;
  return undefined;
}

/** The system's own code, and words for people. */
function failureOf(thrown: unknown): { code: string | undefined; reason: string } {
  let reason = "the connection failed";
  for (let at = thrown; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return { code: at.code, reason: `${at.code}${at.message ? ` (${at.message})` : ""}` };
    reason = at.message || reason;
  }
  return { code: undefined, reason };
}

/** Without its query, which may hold what is nobody's business. */
function nameOf({ method, url }: HttpInput): string {
  const parsed = URL.parse(url);
  return `${method} ${parsed ? `${parsed.origin}${parsed.pathname}` : "of something that is no address"}`;
}

/** Frames hold references in the place of secrets. */
function recorder(
  { frames, newId, now }: HttpDeps,
  { tenantId, step }: StepCall,
  input: HttpInput,
): (kind: Frame["kind"], content: Json) => void {
  const began = now().getTime();
  const correlationId = newId();
  const url = URL.parse(input.url);
  const other = url?.host ?? "unknown";
  return (kind, content) => {
    const isRequest = kind === "request";
    frames.record({
      tenantId,
      protocol: "http",
      direction: isRequest ? "out" : "in",
      kind,
      method: `${input.method} ${url?.pathname ?? ""}`.trim(),
      from: isRequest ? PLATFORM : other,
      to: isRequest ? other : PLATFORM,
      correlationId,
      step,
      ...(!isRequest && { latencyMs: now().getTime() - began }),
      content,
    });
  };
}
