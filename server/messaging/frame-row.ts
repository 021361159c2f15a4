import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { UUID } from "#server/kernel/paging.ts";
import type { Frame, Redactor, ValueCodec } from "#server/kernel/ports.ts";

/** A frame as it waits for the next batch: redacted, bounded, and no longer tied to objects that its sender may change. */
export type FrameRow = Omit<Frame, "content"> & {
  id: string;
  at: Date;
  /** Encoded, plain. Of a shortened frame, the beginning of its JSON as one string. */
  body: Buffer;
  sizeBytes: number;
  truncated: boolean;
};

const TEXT_CHARS = 512;

export const rowName = (id: string): string => `protocol_frames:${id}`;

type Making = { id: string; at: Date; redactor: Redactor; codec: ValueCodec };

/** Redacts before it shortens: the other way round, half a secret could stay behind at the cut. */
export function toFrameRow({ content, ...frame }: Frame, { id, at, redactor, codec }: Making): FrameRow {
  const clean = (text: string): string => storable(redactor.text(text));
  const stored = bounded(redactor.json(content));
  return {
    ...frame,
    id,
    at,
    method: clean(frame.method),
    from: clean(frame.from),
    to: clean(frame.to),
    correlationId: clean(frame.correlationId).slice(0, LIMITS.idempotencyKeyChars),
    step: frame.step && UUID.test(frame.step.runId) ? frame.step : undefined,
    body: codec.encode(stored.content, { tenantId: frame.tenantId, row: rowName(id), confidential: false }),
    sizeBytes: stored.sizeBytes,
    truncated: stored.truncated,
  };
}

function bounded(content: Json): { content: Json; sizeBytes: number; truncated: boolean } {
  const text = JSON.stringify(content);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes <= LIMITS.frameBytes) return { content, sizeBytes, truncated: false };
  const beginning = Buffer.from(text).subarray(0, LIMITS.frameBytes).toString("utf8");
  // The cut may have gone through a character.
  return { content: beginning.replace(/\uFFFD$/, ""), sizeBytes, truncated: true };
}

/** PostgreSQL's text takes neither NUL nor half a surrogate pair. */
const storable = (text: string): string => text.slice(0, TEXT_CHARS).toWellFormed().replaceAll("\0", "\uFFFD");
