import { setTimeout as pause } from "node:timers/promises";
import { background, type Log } from "../../kernel/log.ts";
import { SlotLeases, type HeldSlot, type Limit, type SlotDeps } from "./slot-leases.ts";

/** How often whoever waits looks for a slot that another process has freed. */
const LOOK_MS = 200;
/** A slot goes from call to call inside this process for so long; then other processes may have it. */
const SHARE_MS = 5_000;

/** Those who wait for one limit, and what is held of it. */
type Gate = Limit & {
  /** In the order in which they came. */
  readonly waiting: Set<(held: HeldSlot) => void>;
  held: number;
  isLooking: boolean;
  /** The last look found fewer than were wanted. */
  isFull: boolean;
  /** Others have the first look at what was freed (`performance.now`). */
  notBefore: number;
};

const nameOf = ({ tenantId, key }: { tenantId: string; key: string }): string => `${tenantId} ${key}`;

/**
 * Limits on calls that hold over all processes: a limit of n is n numbered rows, and who holds a row may call. First come, first
 * served inside a process; between processes, whoever looks first. Calls that no limit concerns never come here.
 */
export class Slots {
  readonly #leases: SlotLeases;
  readonly #log: Log;
  readonly #gates = new Map<string, Gate>();
  #isStopped = false;

  constructor(deps: SlotDeps) {
    this.#leases = new SlotLeases(deps);
    this.#log = deps.log;
  }

  /** Resolves once there is a slot. Rejects with the signal's reason. */
  take(limit: Limit, signal: AbortSignal): Promise<HeldSlot> {
    signal.throwIfAborted();
    const gate = this.#gateOf(limit);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        gate.waiting.delete(onSlot);
        this.#closeIfUnused(gate);
        reject(signal.reason);
      };
      const onSlot = (slot: HeldSlot): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(slot);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      gate.waiting.add(onSlot);
      if (gate.isLooking) return;
      gate.isLooking = true;
      background(this.#log, "waiting for a slot", () => this.#lookOn(gate));
    });
  }

  leave(slot: HeldSlot): void {
    const gate = this.#gates.get(nameOf(slot));
    if (!gate) return this.#leases.free(slot);
    const isOurs = !slot.isLost && !this.#isStopped && slot.number <= gate.atOnce && performance.now() - slot.takenAt < SHARE_MS;
    if (isOurs && give(gate, slot)) return;
    if (gate.waiting.size > 0) gate.notBefore = performance.now() + 1.5 * LOOK_MS;
    this.#drop(gate, slot);
  }

  /** Frees what is held. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#leases.stop();
  }

  #gateOf(limit: Limit): Gate {
    const name = nameOf(limit);
    const known = this.#gates.get(name);
    if (known) return Object.assign(known, { atOnce: limit.atOnce });
    const gate: Gate = { ...limit, waiting: new Set(), held: 0, isLooking: false, isFull: false, notBefore: 0 };
    this.#gates.set(name, gate);
    return gate;
  }

  async #lookOn(gate: Gate): Promise<void> {
    try {
      while (gate.waiting.size > 0 && !this.#isStopped) {
        const others = gate.notBefore - performance.now();
        if (others > 0) await pause(others);
        await this.#look(gate);
        if (gate.waiting.size > 0 && gate.isFull) await pause(LOOK_MS);
      }
    } finally {
      // In the same turn as the last look at `waiting`: whoever comes later must find that nobody looks.
      gate.isLooking = false;
    }
  }

  async #look(gate: Gate): Promise<void> {
    const count = Math.min(gate.waiting.size, gate.atOnce);
    const taken = await this.#leases.take(gate, count);
    gate.isFull = taken.length < count;
    for (const slot of taken) {
      gate.held += 1;
      if (this.#isStopped || !give(gate, slot)) this.#drop(gate, slot);
    }
  }

  #drop(gate: Gate, slot: HeldSlot): void {
    gate.held -= 1;
    this.#leases.free(slot);
    this.#closeIfUnused(gate);
  }

  #closeIfUnused(gate: Gate): void {
    if (gate.held === 0 && gate.waiting.size === 0 && this.#gates.get(nameOf(gate)) === gate) this.#gates.delete(nameOf(gate));
  }
}

/** To whoever has waited longest. */
function give(gate: Gate, slot: HeldSlot): boolean {
  const [first] = gate.waiting;
  if (!first) return false;
  gate.waiting.delete(first);
  first(slot);
  return true;
}
