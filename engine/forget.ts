import { stepKey } from "./state.ts";
import type { RunState, Scope } from "./types.ts";

/** Takes a closed scope and its steps out of the state, unless the state keeps all or something in it may have to be undone. */
export function forgetScope(state: RunState, scope: Scope): void {
  if (!state.forgets || scope.isUndoable) return;
  for (const node of scope.body.nodes) state.steps.delete(stepKey(scope.path, node.id));
  state.scopes.delete(scope.path);
}
