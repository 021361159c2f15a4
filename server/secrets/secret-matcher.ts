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
    this.#mayBegin[slot(beginning(text))] = 1;
    this.#lengths = this.#probes.flatMap((map, length) => (map.size > 0 ? [length] : [])).reverse();
    this.#size += 1;
  }

  /** Replaces every match, the longest where several begin. Answers with the same string when there is none. */
  replace(text: string, replacement: string): string {
    let kept = 0;
    let out = "";
    // The last four characters, as in `beginning`.
    let window = 0;
    let full = SHORTEST_TRACKED - 1;
    for (let end = 0; end < text.length; end++) {
      window = (window << 8) | (text.charCodeAt(end) & 0xff);
      if (end < full || this.#mayBegin[slot(window)] === 0) continue;
      const at = end - SHORTEST_TRACKED + 1;
      const length = this.#matchAt(text, at);
      if (length === 0) continue;
      out += text.slice(kept, at) + replacement;
      kept = at + length;
      end = kept - 1;
      full = end + SHORTEST_TRACKED;
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

/** The first four characters, one byte of each: exact for ASCII, and close enough for a filter otherwise. */
function beginning(text: string): number {
  let window = 0;
  for (let i = 0; i < SHORTEST_TRACKED; i++) window = (window << 8) | (text.charCodeAt(i) & 0xff);
  return window;
}

const slot = (window: number): number => Math.imul(window, 0x9e3779b1) >>> (32 - FILTER_BITS);
