import { describe, expect, test } from "vitest";
import type { CatalogueChange } from "./catalogue.ts";
import type { Connection } from "../connection/connection.ts";
import { ServerCatalogue, type FreshList } from "./server-catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";

const server = { id: "s", name: "s", catalogueTrusted: true } as ServerRecord;
const never = new AbortController().signal;

/** A catalogue over a server that lists what `list` holds, and a store that works while `isUp`. */
function arrange() {
  const world = { list: [{ name: "add", description: "one", inputSchema: {} }], isUp: true, saved: [] as CatalogueChange[], lists: 0 };
  const ports = {
    newId: () => "id",
    note: () => {},
    saveCatalogue: async (_server: ServerRecord, { compare }: FreshList) => {
      if (!world.isUp) throw new Error("the database is gone");
      const changes = compare([{ serverId: "m", server: "mail", tool: "send_email", isApproved: true }]);
      world.saved.push(...changes);
      return changes;
    },
  };
  const connection = {
    transport: "stdio",
    lossReason: () => undefined,
    listTools: async () => {
      world.lists += 1;
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
