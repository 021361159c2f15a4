import { expect, test } from "vitest";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { createKnownLists } from "./lists.ts";

/** A server whose lists have so many pages of two. */
function listing(pages: number): SupervisedServer {
  const request = async ({ params }: { params: Record<string, unknown> }) => {
    const page = Number(params["cursor"] ?? 0);
    const prompts = [{ name: `${page}a` }, { name: `${page}b` }];
    return page + 1 < pages ? { prompts, nextCursor: String(page + 1) } : { prompts };
  };
  const connection = { capabilities: { prompts: {} }, request, transport: "http", lossReason: () => undefined };
  return { record: { name: "talk" }, connection, lease: () => ({ connection, release: () => {} }) } as unknown as SupervisedServer;
}

test.each([
  [64, []],
  [65, ["lists more prompts than /mcp shows: the first 128 of them, from at most 64 pages"]],
])("a list of %i pages; what is left out of it is told once", async (pages, expected) => {
  const told: unknown[] = [];
  const lists = createKnownLists({ add: (_server, _stream, text) => void told.push(text) });
  const server = listing(pages);
  for (const _ of [1, 2]) {
    const [found] = await lists.gather("prompts", [server]);
    expect(found?.items).toHaveLength(128);
  }
  expect(told).toEqual(expected);
});
