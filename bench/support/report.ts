export type Figure = { bench: string; system: string; metric: string; value: number; unit: string };

/** One JSON line per figure. */
export function print(figure: Figure): void {
  console.log(JSON.stringify({ ...figure, value: Number(figure.value.toPrecision(4)) }));
}
