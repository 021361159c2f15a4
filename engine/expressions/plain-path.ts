import { childrenOf, type Ast } from "./ast.ts";
import { NeedsJsonata } from "./errors.ts";
import { checkSequence, isList, isNumeric, isTruthy, ownMember, type Value } from "./plain-values.ts";
import type { Roots } from "./roots.ts";

/** Computes one part of an expression. `context` is the item that a predicate looks at; at the top there is none. */
export type Closure = (context: Value, roots: Roots) => Value;

/** A predicate: an index that is a literal, or a condition (or computed indexes) evaluated against each item. */
type Condition = { condition: Closure; /** How many parts it computes for each item. */ size: number };
type Filter = { index: number } | Condition;
type Step = { name: string; keepArray: boolean; filters: readonly Filter[] };
type CompileCondition = (node: Ast) => Closure | undefined;

/** What closures may compute for one predicate: they have no clock, and this takes them about 50 ms. */
const MAX_PARTS = 2_000_000;

const sizeOf = (node: Ast): number => childrenOf(node).reduce((size, child) => size + sizeOf(child), 1);

/** Objects with these members are functions to JSONata. */
const RESERVED = new Set(["_jsonata_lambda", "_jsonata_function"]);

/** Compiles a path of names, each with predicates. Undefined when there is anything else in it. */
export function pathClosure(path: Ast, atTop: boolean, condition: CompileCondition): Closure | undefined {
  const steps: Step[] = [];
  const fromContext = !atTop && beginsWithContext(path.steps ?? []);
  for (const node of path.steps?.slice(fromContext ? 1 : 0) ?? []) {
    const step = stepOf(node, condition);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  const [first] = steps;
  if (first === undefined) return undefined;
  const keep = path.keepArray === true || path.keepSingletonArray === true;
  if (!atTop) {
    return (context, roots) => {
      if (fromContext && context === undefined) return undefined;
      return walk(isList(context) ? context : [context], { steps, keep, roots });
    };
  }
  const root = rootOf(steps);
  return root === undefined ? undefined : rootedClosure(root, steps, keep);
}

/** Inside a predicate, `$.name` is the same as `name`, but for a context that is nothing. */
function beginsWithContext(steps: readonly Ast[]): boolean {
  const first = steps[0];
  const isContext = first?.type === "variable" && first.value === "" && first.predicate === undefined && first.stages === undefined;
  return isContext && steps.length > 1 && first.keepArray !== true && first.focus === undefined && first.tuple !== true;
}

function stepOf(node: Ast, condition: CompileCondition): Step | undefined {
  const { type, value: name } = node;
  if (type !== "name" || typeof name !== "string" || RESERVED.has(name)) return undefined;
  if (node.tuple === true || node.focus !== undefined || node.index !== undefined || node.group || node.predicate) return undefined;
  const filters: Filter[] = [];
  for (const stage of node.stages ?? []) {
    const filter = stage.type === "filter" && stage.expr ? filterOf(stage.expr, condition) : undefined;
    if (filter === undefined) return undefined;
    filters.push(filter);
  }
  return { name, keepArray: node.keepArray === true, filters };
}

function filterOf(node: Ast, condition: CompileCondition): Filter | undefined {
  if (node.type === "number" && node.predicate === undefined)
    return typeof node.value === "number" ? { index: Math.floor(node.value) } : undefined;
  const closure = condition(node);
  return closure && { condition: closure, size: sizeOf(node) };
}

type Root = { read: (roots: Roots) => Value; /** How many steps of the path it stands for. */ length: number };

/** Where the path begins. Undefined for `steps` without a fixed name. */
function rootOf(steps: readonly Step[]): Root | undefined {
  const name = steps[0]?.name;
  const id = steps[1]?.name;
  switch (name) {
    case "input":
      return { read: (roots) => roots.input, length: 1 };
    case "context":
      return { read: (roots) => roots.context, length: 1 };
    case "item":
      return { read: (roots) => roots.item, length: 1 };
    case "index":
      return { read: (roots) => roots.index, length: 1 };
    case "run":
      return { read: (roots) => roots.run, length: 1 };
    case "steps":
      return id === undefined || steps[0]?.filters.length !== 0 ? undefined : { read: (roots) => roots.step(id), length: 2 };
    default:
      return { read: () => undefined, length: 1 };
  }
}

function rootedClosure(root: Root, steps: readonly Step[], keep: boolean): Closure {
  const last = steps[root.length - 1];
  const rest = steps.slice(root.length);
  const names = rest.map((step) => step.name);
  const isSimple = [last, ...rest].every((step) => step?.filters.length === 0 && !step.keepArray);
  if (last === undefined || !isSimple || keep) {
    return (_context, roots) => walkFrom(root.read(roots), { steps: rest, keep, roots }, last);
  }
  return (_context, roots) => {
    let value = root.read(roots);
    for (let at = 0; at < names.length; at++) {
      if (isList(value)) return walk(checkSequence(value), { steps: rest.slice(at), keep, roots });
      value = ownMember(value, names[at] ?? "");
      if (value === undefined) return undefined;
    }
    return value;
  };
}

type Walk = { steps: readonly Step[]; keep: boolean; roots: Roots };

/** The first step's value is known; its predicates and all further steps are not yet applied. */
function walkFrom(value: Value, { steps, keep, roots }: Walk, first: Step | undefined): Value {
  const found: Found[] =
    value === undefined && first?.filters.length === 0 ? [] : [filtered({ value, isSequence: false }, first?.filters ?? [], roots)];
  const isLast = steps.length === 0;
  const { items, isRaw } = gather(found, isLast);
  return isLast || items.length === 0 ? settle(items, isRaw, keep) : walk(items, { steps, keep, roots });
}

/** A value that one step found, and whether it is a sequence of JSONata's making rather than an array of the data. */
type Found = { value: Value; isSequence: boolean };

/** Applies the steps to every item in turn, flattening one level each time, as JSONata does. */
function walk(start: readonly Value[], { steps, keep, roots }: Walk): Value {
  let items = start;
  let isRaw = false;
  for (const [at, step] of steps.entries()) {
    const found: Found[] = [];
    for (const item of items) {
      const one = filtered(evaluateName(item, step), step.filters, roots);
      if (one.value !== undefined) found.push(one);
    }
    ({ items, isRaw } = gather(found, at === steps.length - 1));
    if (items.length === 0 && !isRaw) return undefined;
  }
  return settle(items, isRaw, keep);
}

/** Flattens what a step found; the last step keeps a single array of the data as it is. */
function gather(found: readonly Found[], isLast: boolean): { items: readonly Value[]; isRaw: boolean } {
  const only = found[0];
  if (isLast && found.length === 1 && isList(only?.value) && !only.isSequence) return { items: only.value, isRaw: true };
  const items: Value[] = [];
  for (const { value } of found) {
    if (isList(value)) for (const member of value) items.push(member);
    else items.push(value);
  }
  return { items: checkSequence(items), isRaw: false };
}

/** A sequence of nothing is nothing, and one of a single item is that item, unless the path keeps arrays. */
function settle(items: readonly Value[], isRaw: boolean, keep: boolean): Value {
  if (!isRaw && items.length === 0) return undefined;
  if (!isRaw && items.length === 1 && !keep) return items[0];
  return items;
}

function evaluateName(item: Value, { name, keepArray }: Step): Found {
  if (!isList(item)) return { value: ownMember(item, name), isSequence: false };
  const members: Value[] = [];
  lookUp(item, name, members);
  checkSequence(members);
  if (members.length === 0) return { value: undefined, isSequence: false };
  return members.length === 1 && !keepArray ? { value: members[0], isSequence: false } : { value: members, isSequence: true };
}

function lookUp(items: readonly Value[], name: string, into: Value[]): void {
  for (const item of items) {
    if (isList(item)) {
      lookUp(item, name, into);
      continue;
    }
    const value = ownMember(item, name);
    if (isList(value)) for (const member of value) into.push(member);
    else if (value !== undefined) into.push(value);
  }
}

function filtered(found: Found, filters: readonly Filter[], roots: Roots): Found {
  let current = found;
  for (const filter of filters) {
    const items = isList(current.value) ? current.value : [current.value];
    current = "index" in filter ? pick(items, filter.index) : { value: select(items, filter, roots), isSequence: true };
  }
  return current;
}

function pick(items: readonly Value[], index: number): Found {
  const item = items[index < 0 ? items.length + index : index];
  if (isList(item)) return { value: item, isSequence: false };
  return { value: item === undefined ? [] : [item], isSequence: true };
}

/** Keeps the items for which the condition is true, or whose index is among the numbers that it gives. */
function select(items: readonly Value[], { condition, size }: Condition, roots: Roots): Value[] {
  if (items.length * size > MAX_PARTS) throw new NeedsJsonata();
  const kept: Value[] = [];
  for (const [at, item] of items.entries()) {
    const verdict = condition(item, roots);
    const indexes = isNumeric(verdict) ? [verdict] : verdict;
    const times = isList(indexes) && indexes.every(isNumeric) ? countOf(indexes, at, items.length) : Number(isTruthy(indexes));
    for (let time = 0; time < times; time++) kept.push(item);
  }
  return checkSequence(kept);
}

/** How often an index is listed, counting from the end where negative. */
const countOf = (indexes: readonly number[], at: number, length: number) =>
  indexes.filter((index) => Math.floor(index) + (index < 0 ? length : 0) === at).length;
