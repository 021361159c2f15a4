import type { LiveRun } from "../driver/live-run.ts";
import type { Held } from "../store/leases.pg.ts";

/** The runs whose lease this process has: those in memory, those being read, and places promised to runs being started. */
export class HeldRuns {
  readonly #live = new Map<string, LiveRun>();
  readonly #loading = new Map<string, Held>();
  #max: number;
  #reserved = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#live.size + this.#loading.size;
  }

  get room(): number {
    return Math.max(0, this.#max - this.count - this.#reserved);
  }

  /** From now on there is no room. */
  close(): void {
    this.#max = 0;
  }

  /** Promises up to `wanted` places; each must be given back by `unreserve`. */
  reserve(wanted: number): number {
    const granted = Math.min(wanted, this.room);
    this.#reserved += granted;
    return granted;
  }

  unreserve(places: number): void {
    this.#reserved -= places;
  }

  find(runId: string): LiveRun | undefined {
    return this.#live.get(runId);
  }

  beginLoading(held: Held): void {
    this.#loading.set(held.id, held);
  }

  endLoading(runId: string): void {
    this.#loading.delete(runId);
  }

  add(run: LiveRun): void {
    this.#loading.delete(run.id);
    this.#live.set(run.id, run);
  }

  /** Takes the run out, unless a later holding of the same run is meant. */
  remove(run: LiveRun): void {
    if (this.#live.get(run.id) === run) this.#live.delete(run.id);
  }

  live(): LiveRun[] {
    return [...this.#live.values()];
  }

  all(): Held[] {
    return [...this.#live.values(), ...this.#loading.values()].map(({ id, epoch }) => ({ id, epoch }));
  }
}
