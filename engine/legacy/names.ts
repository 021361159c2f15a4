import type { OldStep } from "./graph.ts";

const LONGEST = 56;

/** Gives names that expressions can reach: the old id if it is one, else as near as it gets. */
export class Names {
  readonly #taken = new Set<string>();
  readonly #byId = new Map<string, string>();

  constructor(steps: readonly OldStep[]) {
    for (const { id } of steps) this.#byId.set(id, this.fresh(id));
  }

  /** The node of an old step. */
  of(id: string): string {
    return this.#byId.get(id) ?? id;
  }

  /** A name that no other node has. */
  fresh(wanted: string): string {
    const clean = wanted
      .replaceAll(/[^A-Za-z0-9_]/g, "_")
      .replace(/^(?=[0-9]|$)/, "_")
      .slice(0, LONGEST);
    let name = clean;
    for (let i = 2; this.#taken.has(name); i += 1) name = `${clean}_${i}`;
    this.#taken.add(name);
    return name;
  }
}
