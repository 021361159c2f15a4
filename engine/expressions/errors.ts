export type ExpressionCode = "expression_invalid" | "expression_failed" | "expression_timeout" | "expression_too_large";

/** Where an expression stands in a definition: for messages, and so that the builder can mark it. */
export type ExpressionPlace = {
  nodeId: string;
  /** JSON path of the string that holds the expression, e.g. `data.messages[0].content`. */
  field: string;
};

type Details = ExpressionPlace & { code: ExpressionCode; position: number | undefined };

/** An expression that cannot be compiled or evaluated. `position` is the zero-based offset inside the whole string of the field. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  readonly code: ExpressionCode;
  readonly nodeId: string;
  readonly field: string;
  readonly position: number | undefined;

  constructor(message: string, details: Details) {
    super(message);
    this.code = details.code;
    this.nodeId = details.nodeId;
    this.field = details.field;
    this.position = details.position;
  }
}

/**
 * What went wrong inside one expression, before it is known where the expression stands.
 * `position` is an offset inside the expression's own source.
 */
export class ExpressionFailure extends Error {
  override readonly name = "ExpressionFailure";
  readonly code: ExpressionCode;
  readonly position: number | undefined;

  constructor(code: ExpressionCode, message: string, position?: number) {
    super(message);
    this.code = code;
    this.position = position;
  }
}

/** Closures cannot decide this one: JSONata itself has to, with its own words for what is wrong, and within its own time limit. */
export class NeedsJsonata extends Error {
  override readonly name = "NeedsJsonata";
}

export const tooLarge = (what: string) => new ExpressionFailure("expression_too_large", what);
