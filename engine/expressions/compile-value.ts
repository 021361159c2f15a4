import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { compileExpression } from "./compile-expression.ts";
import { ExpressionFailure, type ExpressionCode, type ExpressionPlace } from "./errors.ts";
import type { Roots } from "./roots.ts";
import { secretNamedBy, secretTextPart, type Piece } from "./secret-text.ts";
import { parseText, type TextPart } from "./template.ts";
import { arrayPart, fail, located, objectPart, templatePart, type Compute, type Part } from "./value-parts.ts";

/** A JSON value of a definition with its expressions and templates compiled. */
export type CompiledValue = {
  /**
   * Undefined = the expression found nothing. In an object a member that finds nothing is left out; in an array it becomes
   * null, so that the others keep their positions. Synchronous whenever everything in it compiled to closures, else a promise.
   * The result may share parts with the roots: neither may be changed. Throws (or rejects with) `ExpressionError`.
   */
  evaluate(roots: Roots): Json | undefined | Promise<Json | undefined>;
  /** True when nothing in it is an expression (evaluate returns the literal value itself). */
  readonly isLiteral: boolean;
  /**
   * Which top-level names it reads: for validation. `name` is the step, secret or context key, where it is fixed. `field` is the
   * JSON path of the string, `position` the zero-based offset of the name inside that whole string, `=` and `{{` included.
   */
  readonly references: readonly { root: string; name?: string; field: string; position: number }[];
};

export type ExpressionIssue = { field: string; position: number | undefined; message: string; code: ExpressionCode };

type Reference = CompiledValue["references"][number];

/** Compiles all strings in `value`. Never throws for bad expressions: they come back as issues (and evaluate then throws ExpressionError). */
export function compileValue(
  value: Json,
  where: { nodeId: string; field: string; /** The member below which texts may name secrets. */ secretsIn?: string | undefined },
): { compiled: CompiledValue; issues: readonly ExpressionIssue[] } {
  const compilation = new Compilation(
    where.nodeId,
    where.secretsIn === undefined ? undefined : `${where.field}${memberPath(where.secretsIn)}`,
  );
  const part = compilation.value(value, where.field, LIMITS.jsonDepth);
  const { references, issues } = compilation;
  const compiled: CompiledValue =
    "literal" in part
      ? { evaluate: () => part.literal, isLiteral: true, references }
      : { evaluate: part.compute, isLiteral: false, references };
  return { compiled, issues };
}

class Compilation {
  readonly references: Reference[] = [];
  readonly issues: ExpressionIssue[] = [];
  readonly #nodeId: string;
  readonly #secretsBelow: string | undefined;

  constructor(nodeId: string, secretsBelow: string | undefined) {
    this.#nodeId = nodeId;
    this.#secretsBelow = secretsBelow;
  }

  value(value: Json, field: string, depthLeft: number): Part {
    if (typeof value === "string") return this.#text(value, field);
    if (typeof value !== "object" || value === null) return { literal: value };
    if (depthLeft === 0) {
      return this.#broken({ nodeId: this.#nodeId, field }, new ExpressionFailure("expression_invalid", "The value is nested too deeply."));
    }
    if (Array.isArray(value)) {
      return arrayPart(value.map((item, index) => this.value(item, `${field}[${index}]`, depthLeft - 1)));
    }
    const members = Object.entries(value);
    return objectPart(members.map(([key, member]) => [key, this.value(member, `${field}${memberPath(key)}`, depthLeft - 1)]));
  }

  #text(text: string, field: string): Part {
    const place = { nodeId: this.#nodeId, field };
    const parsed = parseText(text);
    if (parsed.kind === "literal") return { literal: parsed.text };
    const maySecret =
      this.#secretsBelow !== undefined && (field.startsWith(`${this.#secretsBelow}.`) || field.startsWith(`${this.#secretsBelow}[`));
    if (maySecret && parsed.kind !== "broken") {
      const parts = parsed.kind === "template" ? parsed.parts : [parsed];
      const pieces = parts.map((part) => this.#piece(part, place));
      return secretTextPart(pieces, place, parsed.kind === "expression");
    }
    if (parsed.kind === "expression") return { compute: this.#expression(parsed, place) };
    if (parsed.kind === "broken") {
      return this.#broken(place, new ExpressionFailure("expression_invalid", parsed.message, parsed.position));
    }
    const parts = parsed.parts.map((part) => this.#templatePart(part, place));
    return templatePart(parts, place);
  }

  #piece(part: TextPart, place: ExpressionPlace): Piece {
    const secret = part.kind === "expression" ? secretNamedBy(part.source) : undefined;
    return secret === undefined ? this.#templatePart(part, place) : { secret };
  }

  #templatePart(part: TextPart, place: ExpressionPlace): Part {
    return part.kind === "text" ? { literal: part.text } : { compute: this.#expression(part, place) };
  }

  #expression({ source, offset }: { source: string; offset: number }, place: ExpressionPlace): Compute {
    const { compute, references, failure } = compileExpression(source);
    if (failure) this.#note(place, failure, offset);
    for (const { root, name, position } of references) {
      const at = { root, field: place.field, position: position + offset };
      this.references.push(name === undefined ? at : { ...at, name });
    }
    return located(compute, place, offset);
  }

  #broken(place: ExpressionPlace, failure: ExpressionFailure): Part {
    this.#note(place, failure, 0);
    return { compute: () => fail(failure, place, 0) };
  }

  #note({ field }: ExpressionPlace, { code, message, position }: ExpressionFailure, offset: number): void {
    this.issues.push({ field, position: position === undefined ? undefined : position + offset, message, code });
  }
}

const memberPath = (key: string) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
