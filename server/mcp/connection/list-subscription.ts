import { setTimeout as sleep } from "node:timers/promises";
import type { PlatformClient } from "./platform-client.ts";

const CEILING_MS = 30_000;
const CALM_MS = 20_000;
const ACKNOWLEDGED_MS = 10_000;

/**
 * In the 2026 era, news of changed lists come on a stream of their own. The SDK opens it once; here it is opened again whenever it ends,
 * later each time as long as it goes on like that. What changed meanwhile nobody has told, so all its lists count as changed then.
 */
export async function keepSubscribed(client: PlatformClient, floorMs: number): Promise<void> {
  const first = client.autoOpenedSubscription;
  if (first === undefined) return;
  const filter = first.honoredFilter;
  const lists = listsOf(filter);
  if (lists.length === 0) return;
  let open: typeof first | undefined = first;
  for (let streak = 0; ; streak += 1) {
    const since = performance.now();
    await open?.closed;
    if (performance.now() - since > CALM_MS) streak = 0;
    await sleep(Math.min(floorMs * 2 ** Math.min(streak, 16), CEILING_MS), undefined, { ref: false });
    if (client.transport === undefined) return;
    open = await client.listen(filter, { timeout: ACKNOWLEDGED_MS }).catch(() => undefined);
    if (open !== undefined) for (const list of lists) client.lists.changed(list);
  }
}

type Filter = { toolsListChanged?: boolean; resourcesListChanged?: boolean; promptsListChanged?: boolean };

const listsOf = (filter: Filter) => [
  ...(filter.toolsListChanged === true ? ["tools" as const] : []),
  ...(filter.resourcesListChanged === true ? ["resources" as const] : []),
  ...(filter.promptsListChanged === true ? ["prompts" as const] : []),
];
