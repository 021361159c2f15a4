/**
 * JSONata's syntax tree, as its parser really builds it (the published types leave out half of it).
 * Everything is optional but the type: a reader checks what it uses.
 */
export type Ast = {
  type: string;
  value?: unknown;
  /** The offset just behind the token. */
  position?: number;
  steps?: Ast[];
  stages?: AstStage[];
  predicate?: AstStage[];
  expressions?: Ast[];
  arguments?: Ast[];
  procedure?: Ast;
  expression?: Ast;
  /** Of a binary operator a node; of an object constructor a list of pairs. */
  lhs?: Ast | [Ast, Ast][];
  rhs?: Ast;
  condition?: Ast;
  then?: Ast;
  else?: Ast;
  body?: Ast;
  pattern?: Ast;
  update?: Ast;
  delete?: Ast;
  terms?: { descending: boolean; expression: Ast }[];
  group?: { lhs: [Ast, Ast][]; position?: number };
  keepArray?: boolean;
  keepSingletonArray?: boolean;
  /** Variable names bound by `@$name` and `#$name`. */
  focus?: string;
  index?: string;
  tuple?: boolean;
  consarray?: boolean;
};

export type AstStage = { type: string; expr?: Ast; value?: unknown; position?: number };

export function isAst(node: unknown): node is Ast {
  return typeof node === "object" && node !== null && "type" in node && typeof node.type === "string";
}

/** The two sides of an operator. */
export function operands(node: Ast): { left: Ast; right: Ast } | undefined {
  return isAst(node.lhs) && node.rhs !== undefined ? { left: node.lhs, right: node.rhs } : undefined;
}

/** Pairs of an object constructor. */
export const pairsOf = (node: Ast): [Ast, Ast][] => (Array.isArray(node.lhs) ? node.lhs : []);

const present = (nodes: readonly (Ast | undefined)[]): Ast[] => nodes.filter((node) => node !== undefined);

/** Everything directly below a node, in source order as far as that matters. */
export function childrenOf(node: Ast): Ast[] {
  const pairs = [...pairsOf(node), ...(node.group?.lhs ?? [])];
  return [
    ...(node.steps ?? []),
    ...(node.expressions ?? []),
    ...present([node.procedure, ...(node.arguments ?? []), node.expression]),
    ...present([isAst(node.lhs) ? node.lhs : undefined, Array.isArray(node.rhs) ? undefined : node.rhs]),
    ...present([node.condition, node.then, node.else, node.body, node.pattern, node.update, node.delete]),
    ...(node.terms ?? []).map((term) => term.expression),
    ...pairs.flat(),
    ...present([...(node.stages ?? []), ...(node.predicate ?? [])].map((stage) => stage.expr)),
  ];
}

/** Where a token begins: JSONata notes where it ends, and for the call of a function where its parenthesis is open. */
export function startOf(source: string, end: number, token: unknown): number {
  if (typeof token !== "string") return end;
  const isCall = source[end - 1] === "(" && token !== "(";
  for (const behind of isCall ? [end - 1, end] : [end]) {
    const start = behind - token.length;
    if (source.slice(start, behind) === token) return source[start - 1] === "$" ? start - 1 : start;
    if (source.slice(start - 2, behind) === `\`${token}\``) return start - 2;
  }
  return end;
}
