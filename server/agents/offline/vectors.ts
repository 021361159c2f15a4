export type Vector = ReadonlyMap<string, number>;

export function countsOf(items: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

/** Smoothed inverse document frequency of every term of `documents`. */
export function inverseFrequencies(documents: readonly (readonly string[])[]): Map<string, number> {
  const seenIn = countsOf(documents.flatMap((document) => [...new Set(document)]));
  return new Map([...seenIn].map(([term, count]) => [term, Math.log((1 + documents.length) / (1 + count)) + 1]));
}

/** TF-IDF of unit length. Terms without an inverse frequency are left out. */
export function vectorOf(document: readonly string[], idf: ReadonlyMap<string, number>): Vector {
  const weights = [...countsOf(document)].flatMap(([term, count]): [string, number][] => {
    const inverse = idf.get(term);
    return inverse === undefined ? [] : [[term, (1 + Math.log(count)) * inverse]];
  });
  const length = Math.hypot(...weights.map(([, weight]) => weight)) || 1;
  return new Map(weights.map(([term, weight]) => [term, weight / length]));
}

/** Cosine of two vectors of unit length. */
export function cosine(a: Vector, b: Vector): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let sum = 0;
  for (const [term, weight] of small) sum += weight * (large.get(term) ?? 0);
  return sum;
}
