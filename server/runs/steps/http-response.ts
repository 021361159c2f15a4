import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import { isWithinDepth } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";

/** The body as JSON where it says that it is, else as text, else, where it is neither, in base64. */
export type HttpAnswer = { status: number; headers: Record<string, string>; body: Json; isBase64?: true };

/** Throws `step_output_too_large` as soon as more has come than may; what reading fails with passes through. */
export async function readAnswer(response: Response): Promise<HttpAnswer> {
  const headers: Record<string, string> = {};
  for (const name of response.headers.keys()) headers[name] = response.headers.get(name) ?? "";
  return { status: response.status, headers, ...bodyOf(await bytesOf(response), headers["content-type"] ?? "") };
}

async function bytesOf({ body, status }: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > LIMITS.httpResponseBytes) {
      const message = `Expected an answer of at most ${LIMITS.httpResponseBytes} bytes; the one with status ${status} is larger.`;
      throw new AppError("step_output_too_large", message, { remedy: "Ask for less, or for a part at a time." });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;
const CHARSET = /;\s*charset="?([^";\s]+)/i;

function bodyOf(bytes: Buffer, contentType: string): { body: Json; isBase64?: true } {
  const text = textOf(bytes, CHARSET.exec(contentType)?.[1] ?? "utf-8");
  if (text === undefined) return { body: bytes.toString("base64"), isBase64: true };
  return { body: (JSON_TYPE.test(contentType) ? jsonOf(text) : undefined) ?? text };
}

/** Undefined when the bytes are no text in this charset. */
function textOf(bytes: Buffer, charset: string): string | undefined {
  try {
    const text = new TextDecoder(charset, { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Undefined when it is none after all, or nested too deep to go on with. */
function jsonOf(text: string): Json | undefined {
  try {
    const value: Json = parseJson(text);
    return isWithinDepth(value, LIMITS.jsonDepth) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** How long `retry-after` asks to wait, in seconds or until a date; undefined when absent or unreadable, and never longer than the limit. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return ms >= 0 ? Math.min(Math.ceil(ms), LIMITS.retryAfterMs) : undefined;
}
