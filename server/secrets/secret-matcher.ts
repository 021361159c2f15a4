import { SHORTEST_TRACKED } from "./secret-forms.ts";

/** Texts of up to this length are found by one look-up; longer ones by their beginning, then compared whole. */
const PROBE = 16;
const FILTER_BITS = 16;

/**
 * Finds any of many fixed texts in one pass. A bitmap over the first four characters tells for nearly every position that
 * nothing begins there; only the others cost look-ups, and those are bounded in number. So the time grows with the text
 * alone, however many secrets are known, and adding one costs nothing beyond its own forms.
 */
export class SecretMatcher {
  readonly #mayBegin = new Uint8Array(1 << FILTER_BITS);
  /** By the length of the probe (4 to 16), longest first; then by the probe itself. */
  readonly #probes: Map<string, string[]>[] = Array.from({ length: PROBE + 1 }, () => new Map());
  #lengths: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(text: string): void {
    const length = Math.min(text.length, PROBE);
    const byProbe = this.#probes[length];
    if (length < SHORTEST_TRACKED || !byProbe) return;
    const probe = text.slice(0, length);
    const known = byProbe.get(probe) ?? [];
    if (known.includes(text)) return;
    byProbe.set(
      probe,
      [...known, text].sort((a, b) => b.length - a.length),
    );
    this.#mayBegin[beginning(text, 0)] = 1;
    this.#lengths = this.#probes.flatMap((map, length) => (map.size > 0 ? [length] : [])).reverse();
    this.#size += 1;
  }

  /** Replaces every match, the longest where several begin. Answers with the same string when there is none. */
  replace(text: string, replacement: string): string {
    const last = text.length - SHORTEST_TRACKED;
    let kept = 0;
    let out = "";
    for (let at = 0; at <= last; at++) {
      if (this.#mayBegin[beginning(text, at)] === 0) continue;
      const length = this.#matchAt(text, at);
      if (length === 0) continue;
      out += text.slice(kept, at) + replacement;
      kept = at + length;
      at = kept - 1;
    }
    return kept === 0 ? text : out + text.slice(kept);
  }

  #matchAt(text: string, at: number): number {
    for (const length of this.#lengths) {
      const found = this.#probes[length]?.get(text.slice(at, at + length))?.find((form) => text.startsWith(form, at));
      if (found !== undefined) return found.length;
    }
    return 0;
  }
}

/** A hash of the four characters from `at` on. */
function beginning(text: string, at: number): number {
  const mixed =
    Math.imul(text.charCodeAt(at), 0x9e3779b1) ^
    Math.imul(text.charCodeAt(at + 1), 0x85ebca6b) ^
    Math.imul(text.charCodeAt(at + 2), 0xc2b2ae35) ^
    Math.imul(text.charCodeAt(at + 3), 0x27d4eb2f);
  return Math.imul(mixed, 0x165667b1) >>> (32 - FILTER_BITS);
}
