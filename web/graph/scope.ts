/**
 * Where a step stands. The journal writes scopes as `/each[17]/inner[2]`; the address bar writes a step as
 * `each[17]/inner[2]/read`, or only `read`, which inside a container means "this node, no item chosen yet". A team's member is
 * `team[3]/team.critic`.
 */
export type Iteration = { containerId: string; index: number };
export type StepRef = { scope: string; nodeId: string };

const ITERATION = /\/([A-Za-z_][A-Za-z0-9_]*)\[(\d+)\]/g;
const REFERENCE = /^(?:[A-Za-z_][A-Za-z0-9_]*\[\d+\]\/)*[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)?$/;

export function iterationsOf(scope: string): Iteration[] {
  return [...scope.matchAll(ITERATION)].map(([, containerId = "", index = "0"]) => ({ containerId, index: Number(index) }));
}

export const itemScope = (scope: string, containerId: string, index: number): string => `${scope}/${containerId}[${index}]`;

/** The scope one level up and the step of the container that made this one; undefined at the top. */
export function enclosing(scope: string): { scope: string; nodeId: string; index: number } | undefined {
  const last = iterationsOf(scope).at(-1);
  if (!last) return undefined;
  return { scope: scope.slice(0, scope.lastIndexOf("/")), nodeId: last.containerId, index: last.index };
}

export const formatStepRef = ({ scope, nodeId }: StepRef): string => (scope === "" ? nodeId : `${scope.slice(1)}/${nodeId}`);

/** Undefined when the text is not a step's address. */
export function parseStepRef(text: string | undefined): StepRef | undefined {
  if (text === undefined || !REFERENCE.test(text)) return undefined;
  const cut = text.lastIndexOf("/");
  return cut < 0 ? { scope: "", nodeId: text } : { scope: `/${text.slice(0, cut)}`, nodeId: text.slice(cut + 1) };
}
