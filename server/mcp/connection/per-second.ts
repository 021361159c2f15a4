/** Whether one more is within the limit of this second. */
export function perSecond(limit: number): () => boolean {
  let second = 0;
  let used = 0;
  return () => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) [second, used] = [now, 0];
    used += 1;
    return used <= limit;
  };
}

const MOST_NAMES = 20;
const LONGEST_NAME = 128;

/** The same for things with names. What came beyond the limit is told, by name, a second after the first of them. */
export function countBeyond(limit: number, tell: (counted: Record<string, number>) => void): (name: string) => boolean {
  const isWithin = perSecond(limit);
  let counted = new Map<string, number>();
  const end = (): void => {
    const over = counted;
    counted = new Map();
    tell(Object.fromEntries(over));
  };
  return (full) => {
    if (isWithin()) return true;
    if (counted.size === 0) setTimeout(end, 1_000).unref();
    const name = full.slice(0, LONGEST_NAME);
    const key = counted.has(name) || counted.size < MOST_NAMES ? name : "others";
    counted.set(key, (counted.get(key) ?? 0) + 1);
    return false;
  };
}
