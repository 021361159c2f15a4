/** Numbers in [0,1) that depend on the seed only (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One seed at merge, twenty at full depth; named in the test's title so that a failure can be repeated. */
export const SEEDS: readonly number[] = process.env["AUTERITY_TEST_DEPTH"] === "full" ? Array.from({ length: 20 }, (_, i) => i + 1) : [1];
