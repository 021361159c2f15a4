/*
 * Which of many names are called almost like one, without comparing it with all of them. One letter more, less or another leaves
 * the first half of the shorter name as it is, or the second: so names are kept by their halves.
 */
import { skeletonOf } from "./confusables.ts";

/** Shorter names differ by one letter all the time. */
const SHORTEST = 5;

export type LookAlikes<T> = {
  /** Those with a name that looks like this one and is not the same, in the order in which they were given. */
  of(name: string): T[];
};

export function createLookAlikes<T extends { readonly tool: string }>(given: readonly T[]): LookAlikes<T> {
  const long = given.filter(({ tool }) => tool.length >= SHORTEST);
  const bySkeleton = new Map<string, number[]>();
  const byHalf = new Map<string, number[]>();
  long.forEach(({ tool }, place) => {
    add(bySkeleton, skeletonOf(tool), place);
    for (const half of halvesOf(tool)) add(byHalf, half, place);
  });
  return {
    of(name) {
      if (name.length < SHORTEST) return [];
      const close = halvesOf(name).flatMap(
        (half) => byHalf.get(half)?.filter((place) => isOneEditAway(long[place]?.tool ?? "", name)) ?? [],
      );
      const places = new Set([...(bySkeleton.get(skeletonOf(name)) ?? []), ...close]);
      return [...places]
        .toSorted((a, b) => a - b)
        .flatMap((place) => long[place] ?? [])
        .filter(({ tool }) => tool !== name);
    },
  };
}

function add(places: Map<string, number[]>, key: string, place: number): void {
  const there = places.get(key);
  if (there === undefined) places.set(key, [place]);
  else there.push(place);
}

/** Two names that are one letter apart have one of these in common: each is the shorter of the two, or the longer one. */
function halvesOf(name: string): string[] {
  const { length } = name;
  const halves = new Set([Math.floor(length / 2), Math.floor((length - 1) / 2)]);
  return [...halves].flatMap((half) => [`${half}<${name.slice(0, half)}`, `${half}>${name.slice(length - half)}`]);
}

/** Whether one letter more, less or another makes `a` into `b`. */
function isOneEditAway(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (long.length - short.length > 1) return false;
  let same = 0;
  while (same < short.length && short[same] === long[same]) same += 1;
  const rest = short.length === long.length ? same + 1 : same;
  return short.slice(rest) === long.slice(same + 1);
}
