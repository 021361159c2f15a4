import { expect, test } from "vitest";
import type { ServerLists } from "../protocol/server-lists.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { allServers } from "./exposure.ts";
import { createFind } from "./find.ts";
import type { Item, KnownLists } from "./lists.ts";
import { exposedName } from "./names.ts";

test("a prompt whose name had to be changed is found also before anybody has asked for the list", async () => {
  const server = { record: { name: "files", settings: { allowFlagged: true } }, isComing: true } as unknown as SupervisedServer;
  let asked = 0;
  let known: Item[] = [];
  const gather = async (): Promise<[]> => {
    asked += 1;
    known = [{ name: "read/it" }];
    return [];
  };
  const { prompt } = createFind({
    exposure: allServers({ known: () => server } as unknown as Supervisor, { tenantId: "t", environment: "production" }),
    lists: { gather, known: () => known } as unknown as KnownLists,
    offered: {} as ServerLists,
  });
  const { signal } = new AbortController();
  expect(await prompt(exposedName("files", "read/it"), signal)).toEqual({ server, own: "read/it" });
  expect(await prompt(exposedName("files", "read/it"), signal)).toEqual({ server, own: "read/it" });
  expect(await prompt("files__plain", signal)).toEqual({ server, own: "plain" });
  expect(asked).toBe(1);
  await expect(prompt(exposedName("files", "no/thing"), signal)).rejects.toMatchObject({ code: "not_found" });
});
