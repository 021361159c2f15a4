import { describe, expect, test } from "vitest";
import { isUsable, type CatalogueChange, type PinnedTool } from "./catalogue.ts";
import type { Connection } from "../connection/connection.ts";
import { ServerCatalogue, type FreshList } from "./server-catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";

const server = { id: "s", name: "s", catalogueTrusted: true } as ServerRecord;
const never = new AbortController().signal;

/** A catalogue over a server that lists what `list` holds, and a store that works while `isUp`. */
function arrange() {
  const world = {
    list: [{ name: "add", description: "one", inputSchema: {} }],
    isUp: true,
    /** The list ends in the middle. */
    breaksOff: false,
    /** What other processes have written, and whether one of them was the first. */
    stored: [] as PinnedTool[],
    pins: true,
    saved: [] as CatalogueChange[],
    lists: 0,
  };
  const ports = {
    newId: () => "id",
    note: () => {},
    saveCatalogue: async (_server: ServerRecord, { compare }: FreshList) => {
      if (!world.isUp) throw new Error("the database is gone");
      const around = [{ serverId: "m", server: "mail", tool: "send_email", isApproved: true }];
      const changes = compare({ around, stored: world.stored, pins: world.pins });
      world.saved.push(...changes);
      return changes;
    },
  };
  const connection = {
    transport: "stdio",
    lossReason: () => undefined,
    listTools: async (_signal, onPage) => {
      world.lists += 1;
      onPage?.(structuredClone(world.list));
      if (world.breaksOff) throw new Error("no more pages");
      return structuredClone(world.list);
    },
  } as Partial<Connection> as Connection;
  const catalogue = new ServerCatalogue(ports, { tools: [], isPinned: false });
  return { world, connection, catalogue, take: () => catalogue.take(server, connection, never) };
}

describe("the catalogue of a server", () => {
  test("blocks a changed tool even while nothing can be written, and writes it as soon as it can", async () => {
    const { world, catalogue, take } = arrange();
    await take();
    expect(catalogue.tool("add")).toMatchObject({ approval: "approved" });
    world.list = [{ name: "add", description: "two", inputSchema: {} }];
    world.isUp = false;
    await expect(take()).rejects.toThrow("the database is gone");
    expect(catalogue.tool("add")).toMatchObject({ approval: "changed", hash: "" });
    world.isUp = true;
    await take();
    expect(world.saved.at(-1)).toMatchObject({
      kind: "changed",
      tool: { approval: "changed", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  test("a tool that appears while nothing can be written is not there yet", async () => {
    const { world, catalogue, take } = arrange();
    world.isUp = false;
    await expect(take()).rejects.toThrow("the database is gone");
    expect([catalogue.isKnown, catalogue.tool("add")]).toEqual([false, undefined]);
    world.isUp = true;
    await take();
    expect([catalogue.isKnown, catalogue.tool("add")?.approval]).toEqual([true, "approved"]);
  });

  test("a change counts although the rest of the list does not come", async () => {
    const { world, catalogue, take } = arrange();
    await take();
    world.list = [{ name: "add", description: "two", inputSchema: {} }];
    world.breaksOff = true;
    await expect(take()).rejects.toThrow();
    expect(catalogue.tool("add")).toMatchObject({ approval: "changed" });
    world.list = [{ name: "add", description: "one", inputSchema: {} }];
    world.breaksOff = false;
    await take();
    expect(world.saved.at(-1)).toMatchObject({ kind: "reverted", tool: { approval: "approved" } });
  });

  test("what another process has decided meanwhile is not undone by what is found here", async () => {
    const { world, catalogue, take } = arrange();
    await take();
    const [tool] = catalogue.listed();
    if (tool === undefined) throw new Error("nothing is listed");
    world.stored = [{ ...tool, approvedHash: null, approval: "rejected", effect: "once", isDisabled: true, reason: "No." }];
    world.list = [{ name: "add", description: "two", inputSchema: {} }];
    await take();
    expect(world.saved.at(-1)?.tool).toMatchObject({ approvedHash: null, approval: "pending", isDisabled: true, reason: "No." });
    world.stored = [];
    world.list = [{ name: "add", description: "one", inputSchema: {} }];
    await take();
    expect(catalogue.listed().filter(isUsable)).toEqual([]);
  });

  test("of two processes that list for the first time, the later one approves nothing", async () => {
    const { world, catalogue, take } = arrange();
    const first = arrange();
    await first.take();
    world.stored = first.catalogue.listed();
    world.pins = false;
    world.list.push({ name: "more", description: "Not listed there.", inputSchema: {} });
    await take();
    expect(catalogue.tool("add")).toEqual(first.catalogue.tool("add"));
    expect(world.saved).toMatchObject([{ kind: "new", tool: { name: "more", approval: "pending", approvedHash: null } }]);
  });

  test("what is read of the store is never older than what has been written here", async () => {
    const { catalogue, take } = arrange();
    await take();
    const [before] = catalogue.listed();
    if (before === undefined) throw new Error("nothing is listed");
    const store = { tool: before };
    const disabling = catalogue.change(async () => (store.tool = { ...before, isDisabled: true }));
    await Promise.all([disabling, catalogue.adopt(async () => ({ tools: [store.tool], isPinned: true }))]);
    expect(catalogue.tool("add")).toMatchObject({ isDisabled: true });
  });

  test("as long as no server of this process has listed anything, what is stored counts", async () => {
    const { catalogue, take, world } = arrange();
    const other = arrange();
    await other.take();
    const [stored] = other.catalogue.listed();
    if (stored === undefined) throw new Error("nothing is listed");
    const adopt = (tool: PinnedTool) => catalogue.adopt(async () => ({ tools: [tool], isPinned: true }));
    await adopt(stored);
    await adopt({ ...stored, hash: "f".repeat(64), approvedHash: "f".repeat(64) });
    expect(catalogue.listed().filter(isUsable)).toHaveLength(1);
    world.stored = catalogue.listed();
    await take();
    await adopt({ ...stored, hash: "e".repeat(64), approvedHash: "e".repeat(64) });
    expect(catalogue.listed().filter(isUsable)).toEqual([]);
  });

  test("a thousand announcements at once are two lists at most", async () => {
    const { world, take } = arrange();
    await Promise.all(Array.from({ length: 1_000 }, take));
    expect(world.lists).toBeLessThanOrEqual(2);
  });

  test("lists beyond a thousand tools are cut", async () => {
    const { world, catalogue, take } = arrange();
    world.list = Array.from({ length: 1_001 }, (_, i) => ({ name: `t${i}`, description: "", inputSchema: {} }));
    await take();
    expect([catalogue.tool("t999")?.name, catalogue.tool("t1000")]).toEqual(["t999", undefined]);
  });
});
