/*
 * Texts in which secrets may be named: the headers of an `http` node. A secret stands alone in its expression, `=secrets.NAME` or
 * `{{ secrets.NAME }}`, and is not computed with: the text becomes a list of pieces, texts and references, and only the adapter that
 * sends it puts a value in. Whatever an expression finds becomes text, so no data can be a reference, however it looks.
 */
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { tooLarge, type ExpressionPlace } from "./errors.ts";
import { byteLength } from "./plain-json.ts";
import { allOf, computeOf, fail, textOf, type Part } from "./value-parts.ts";

const SECRET = /^\s*secrets\.([A-Za-z_][A-Za-z0-9_]{0,63})\s*$/;

/** The secret that an expression names, if it is nothing else. */
export const secretNamedBy = (source: string): string | undefined => SECRET.exec(source)?.[1];

export type Piece = Part | { secret: string };

/** A text, or a list of texts and `{"$secret": name}` where secrets are named. An expression alone that finds nothing leaves the text out. */
export function secretTextPart(pieces: readonly Piece[], place: ExpressionPlace, isOnly: boolean): Part {
  const computes = pieces.map((piece) => computeOf("secret" in piece ? { literal: null } : piece));
  const join = (values: readonly (Json | undefined)[]): Json | undefined => {
    if (isOnly && values[0] === undefined) return undefined;
    const texts = values.map(textOf);
    if (texts.reduce((size, text) => size + byteLength(text, LIMITS.expressionResultBytes), 0) > LIMITS.expressionResultBytes)
      return fail(tooLarge(`Expected a text of at most ${LIMITS.expressionResultBytes} bytes.`), place, 0);
    if (!pieces.some((piece) => "secret" in piece)) return texts.join("");
    return pieces.map((piece, at) => ("secret" in piece ? { $secret: piece.secret } : (texts[at] ?? "")));
  };
  return { compute: (roots) => allOf(computes, roots, join) };
}
