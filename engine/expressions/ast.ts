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

/** Properties that hold one node; `lhs` and `rhs` may hold lists instead. */
const SINGLE = ["procedure", "expression", "lhs", "rhs", "condition", "then", "else", "body", "pattern", "update", "delete"] as const;

/** Everything directly below a node. */
export function childrenOf(node: Ast): Ast[] {
  const children: Ast[] = [];
  for (const list of [node.steps, node.expressions, node.arguments]) if (list) children.push(...list);
  for (const name of SINGLE) {
    const child = node[name];
    if (isAst(child)) children.push(child);
  }
  for (const term of node.terms ?? []) children.push(term.expression);
  for (const pair of pairsOf(node)) children.push(...pair);
  for (const pair of node.group?.lhs ?? []) children.push(...pair);
  for (const stages of [node.stages, node.predicate]) for (const stage of stages ?? []) if (stage.expr) children.push(stage.expr);
  return children;
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
