import { gather } from "../../kernel/gather.ts";
import { background, type Log } from "../../kernel/log.ts";
import type { Database } from "../../kernel/ports.ts";
import { freeSlots, renewSlots, takeSlots, type Slot } from "../store/slots.pg.ts";

/** How long a dead process keeps others out, and how often a living one says that it lives. */
const LEASE_MS = 8_000;
const RENEW_MS = 2_000;
const FREED_AT_ONCE = 500;

/** At most `atOnce` calls that name this key, over all processes. */
export type Limit = { tenantId: string; key: string; atOnce: number };
/** `takenAt`: `performance.now`. */
export type HeldSlot = Slot & { readonly takenAt: number; isLost: boolean };

export type SlotDeps = { database: Database; log: Log; /** This process, and no other one ever. */ owner: string };

const placeOf = ({ tenantId, key, number }: Slot): string => `${tenantId} ${key} ${number}`;

/** What this process holds: rows with a lease, which are free again when the process dies. */
export class SlotLeases {
  readonly #deps: SlotDeps;
  readonly #held = new Map<string, HeldSlot>();
  readonly #freed: (slot: Slot) => Promise<boolean>;
  readonly #freeing = new Set<Promise<boolean>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: SlotDeps) {
    this.#deps = deps;
    this.#freed = gather(async (slots: readonly Slot[]) => {
      await freeSlots(deps.database, slots, deps.owner);
      return slots.map(() => true);
    }, FREED_AT_ONCE);
  }

  /** As many as there are, at most `count`. None when the database cannot be asked. */
  async take({ tenantId, key, atOnce }: Limit, count: number): Promise<HeldSlot[]> {
    const { database, owner, log } = this.#deps;
    try {
      const numbers = await takeSlots(database, { tenantId, key, atOnce, count }, { owner, leaseMs: LEASE_MS });
      return numbers.map((number) => this.#hold({ tenantId, key, number }));
    } catch (error) {
      log.warn("slots could not be taken; trying again", { key, error });
      return [];
    }
  }

  free(slot: Slot): void {
    this.#held.delete(placeOf(slot));
    const freeing = this.#freed(slot);
    this.#freeing.add(freeing);
    background(this.#deps.log, "freeing a slot", () => freeing.finally(() => this.#freeing.delete(freeing)));
  }

  /** Frees everything. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const slot of this.#held.values()) this.free(slot);
    await Promise.allSettled(this.#freeing);
  }

  #hold(slot: Slot): HeldSlot {
    const held = { ...slot, takenAt: performance.now(), isLost: false };
    this.#held.set(placeOf(slot), held);
    this.#timer ??= setInterval(() => background(this.#deps.log, "renewing slots", () => this.#renew()), RENEW_MS).unref();
    return held;
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const before = [...this.#held.values()];
    const { database, owner } = this.#deps;
    const kept = new Map((await renewSlots(database, owner, LEASE_MS)).map((slot) => [placeOf(slot), slot]));
    // This process has slept for longer than its lease: others may have the slot.
    for (const slot of before) if (!kept.has(placeOf(slot))) slot.isLost = true;
    // Freeing it had failed.
    for (const [place, slot] of kept) if (!this.#held.has(place)) this.free(slot);
  }
}
