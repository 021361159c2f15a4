import { namesIn } from "./neighbours.ts";
import { textsOf } from "./scan.ts";

export type Mentions = {
  /** Whether it is known what the definition with this hash mentions. */
  has(hash: string): boolean;
  learn(hash: string, definition: unknown): void;
  /** Whether it mentions one of the names, given as skeletons. */
  isAny(hash: string, skeletons: ReadonlySet<string>): boolean;
};

/**
 * What could be names of tools in definitions that were looked through before: by the hash, so it is never outdated. Of more
 * than `most` names, those of the definitions that were learnt first are forgotten.
 */
export function createMentions(most = 500_000): Mentions {
  const known = new Map<string, ReadonlySet<string>>();
  let size = 0;
  return {
    has: (hash) => known.has(hash),
    learn(hash, definition) {
      if (known.has(hash)) return;
      const names = new Set<string>();
      for (const { text } of textsOf(definition)) for (const name of namesIn(text)) names.add(name);
      known.set(hash, names);
      size += names.size;
      for (const [oldest, { size: its }] of known) {
        if (size <= most || oldest === hash) break;
        known.delete(oldest);
        size -= its;
      }
    },
    isAny(hash, skeletons) {
      for (const name of known.get(hash) ?? []) if (skeletons.has(name)) return true;
      return false;
    },
  };
}
