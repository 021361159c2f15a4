import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import { UUID } from "#server/kernel/paging.ts";
import { JsonText, type Frame, type Redactor, type ValueCodec } from "#server/kernel/ports.ts";

/** A frame as it waits for the next batch: no longer tied to objects that its sender may change. */
export type WaitingFrame = { frame: Omit<Frame, "content">; text: string; at: Date };

/** A frame as it is stored: redacted and bounded. */
export type FrameRow = Omit<Frame, "content"> & {
  id: string;
  at: Date;
  /** Encoded. Of a shortened frame, the beginning of its JSON as one string. */
  body: Buffer;
  sizeBytes: number;
  truncated: boolean;
  redacted: boolean;
};

const TEXT_CHARS = 512;

export const rowName = (id: string): string => `protocol_frames:${id}`;

/** Throws when the content is too deep to be written. */
export const toWaiting = (frame: Frame, at: Date): WaitingFrame => ({ frame, text: textOf(frame.content), at });

const textOf = (content: Frame["content"]): string => (content instanceof JsonText ? content.text : JSON.stringify(content));

/** `clean` makes a short text fit to be stored: `cleaner`. */
type Making = { id: string; clean: (text: string) => string; redactor: Redactor; codec: ValueCodec };

/** Remembers: the frames of a batch say the same names over and over. */
export function cleaner(redactor: Redactor): Making["clean"] {
  const known = new Map<string, string>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const clean = storable(redactor.text(text));
    known.set(text, clean);
    return clean;
  };
}

/** Redacts before it shortens: the other way round, half a secret could stay behind at the cut. */
export function toFrameRow({ frame, text, at }: WaitingFrame, { id, clean, redactor, codec }: Making): FrameRow {
  const clear = redactJson(text, redactor);
  const stored = bounded(clear);
  const { mcp, errorCode } = frame;
  return {
    ...frame,
    id,
    at,
    method: clean(frame.method),
    from: clean(frame.from),
    to: clean(frame.to),
    correlationId: storable(redactor.text(frame.correlationId)).slice(0, LIMITS.idempotencyKeyChars),
    step: frame.step && UUID.test(frame.step.runId) ? frame.step : undefined,
    mcp: mcp?.tool === undefined ? mcp : { ...mcp, tool: clean(mcp.tool) },
    errorCode: errorCode === undefined ? undefined : clean(errorCode),
    body: codec.encodeText(stored.text, { tenantId: frame.tenantId, row: rowName(id), confidential: frame.step?.confidential === true }),
    sizeBytes: Buffer.byteLength(text),
    truncated: stored.truncated,
    redacted: clear !== text,
  };
}

/**
 * A text without a backslash says what its values say, so a secret in one of them stands in the text. Any other one is read, as the
 * sender may have written each character in several ways.
 */
function redactJson(text: string, redactor: Redactor): string {
  if (!text.includes("\\") && redactor.text(text) === text) return text;
  const content: Json = parseJson(text);
  const clear = redactor.json(content);
  return clear === content ? text : JSON.stringify(clear);
}

function bounded(text: string): { text: string; truncated: boolean } {
  // No character takes more than three bytes per UTF-16 unit.
  if (text.length * 3 <= LIMITS.frameBytes || Buffer.byteLength(text) <= LIMITS.frameBytes) return { text, truncated: false };
  const beginning = Buffer.from(text).subarray(0, LIMITS.frameBytes).toString("utf8");
  // The cut may have gone through a character.
  return { text: JSON.stringify(beginning.replace(/\uFFFD$/, "")), truncated: true };
}

/** PostgreSQL's text takes neither NUL nor half a surrogate pair. */
const storable = (text: string): string => text.slice(0, TEXT_CHARS).toWellFormed().replaceAll("\0", "\uFFFD");
