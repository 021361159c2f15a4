export type Figure = { bench: string; system: string; metric: string; value: number; unit: string; target?: Target | undefined };

/** What the figure should be; both ends included. */
export type Target = { atMost: number } | { atLeast: number };

/** One JSON line per figure; where there is a target, with whether it is met. */
export function print({ target, ...figure }: Figure): void {
  const value = Number(figure.value.toPrecision(4));
  console.log(JSON.stringify({ ...figure, value, ...(target && { ...target, isMet: isMet(value, target) }) }));
}

const isMet = (value: number, target: Target): boolean => ("atMost" in target ? value <= target.atMost : value >= target.atLeast);
