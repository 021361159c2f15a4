import type { Page } from "#contract/common.ts";

/** How an infinite query walks through pages by cursor: spread it into the query's options. */
export const byCursor = {
  initialPageParam: ((): string | undefined => undefined)(),
  getNextPageParam: (page: Page<unknown>): string | undefined => page.nextCursor ?? undefined,
};

export const cursor = (value: string | undefined): { cursor?: string } => (value === undefined ? {} : { cursor: value });

/** Every page of a list that is known to be short. */
export async function readAll<T>(read: (cursor: { cursor?: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let next: string | null | undefined;
  do {
    const page: Page<T> = await read(cursor(next ?? undefined));
    items.push(...page.items);
    next = page.nextCursor;
  } while (next !== null);
  return items;
}
