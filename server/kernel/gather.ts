import { LRUCache } from "lru-cache";

/**
 * Turns single calls into batches without delaying any: the first goes at once, what arrives while it is under way goes
 * together in the next. `work` answers in the order of its items; when it rejects, each call of that batch does.
 */
export function gather<I, O>(work: (items: readonly I[]) => Promise<readonly O[]>, maxItems: number): (item: I) => Promise<O> {
  type Waiting = { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };
  const queue: Waiting[] = [];
  let isBusy = false;

  const answer = ({ resolve, reject }: Waiting, result: O | undefined): void => {
    if (result === undefined) reject(new Error("A batch answered fewer items than it was given."));
    else resolve(result);
  };
  const run = async (): Promise<void> => {
    isBusy = true;
    while (queue.length > 0) {
      const batch = queue.splice(0, maxItems);
      try {
        const results = await work(batch.map(({ item }) => item));
        for (const [i, waiting] of batch.entries()) answer(waiting, results[i]);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isBusy = false;
  };

  return (item) =>
    new Promise<O>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (!isBusy) void run();
    });
}

const TENANTS_KEPT = 500;

/** Batches of each tenant's own. */
export function gatherByTenant<I, O>(
  work: (tenantId: string, items: readonly I[]) => Promise<readonly O[]>,
  maxItems: number,
): (tenantId: string, item: I) => Promise<O> {
  const byTenant = new LRUCache<string, (item: I) => Promise<O>>({ max: TENANTS_KEPT });
  return (tenantId, item) => {
    const known = byTenant.get(tenantId);
    if (known) return known(item);
    const made = gather<I, O>((items) => work(tenantId, items), maxItems);
    byTenant.set(tenantId, made);
    return made(item);
  };
}
