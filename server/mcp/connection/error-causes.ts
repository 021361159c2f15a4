import { ProtocolError, SdkError, SdkErrorCode } from "@modelcontextprotocol/client";

/** The stream of one answer broke; others may go on. */
export class AnswerBroken extends SdkError {
  constructor() {
    super(SdkErrorCode.ConnectionClosed, "The connection broke before the answer came.");
  }
}

/** The first of an error and its causes that fits. The SDK keeps some causes in `data`, `fetch` some in a list. */
export function findCause(thrown: unknown, fits: (cause: unknown) => boolean): unknown {
  const open: unknown[] = [thrown];
  for (let looked = 0; open.length > 0 && looked < 32; looked += 1) {
    const cause = open.shift();
    if (fits(cause)) return cause;
    if (cause instanceof Error) open.push(cause.cause);
    if (cause instanceof ProtocolError) open.push(cause.data);
    if (cause instanceof AggregateError) open.push(...cause.errors);
    if (cause instanceof SdkError && typeof cause.data === "object" && cause.data !== null && "cause" in cause.data)
      open.push(cause.data.cause);
  }
  return undefined;
}

/** Why the answer could not come, where the transport has put that in its place; no message from outside holds an `Error`. */
export const instead = (thrown: unknown): unknown =>
  thrown instanceof ProtocolError && thrown.data instanceof Error ? thrown.data : thrown;

/** The first system or library code among an error and its causes that is one of these, with its message. */
export function findCode(thrown: unknown, isOne: (code: string) => boolean): { code: string; message: string } | undefined {
  const found = findCause(thrown, (cause) => isOne(codeOf(cause)));
  return found === undefined ? undefined : { code: codeOf(found), message: messageOf(found) };
}

const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : "");

const LONGEST = 500;
export const messageOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message || thrown.name : String(thrown)).slice(0, LONGEST);
