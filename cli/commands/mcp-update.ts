import { z } from "zod";
import { Json } from "#contract/common.ts";
import { Launch } from "#contract/mcp/servers.ts";
import type { Client } from "#sdk/client.ts";
import { readDocument, readInput } from "../definition-file.ts";
import { notice, printDocument, type Format } from "../output.ts";
import { serverNamed } from "./mcp.ts";

export type UpdateOptions = { name?: string; description?: string; launch?: string; set?: string[]; output?: Format };

/** `launch` is a file that holds a whole launch; `set` are settings, and `null` restores one's default. */
export async function updateServer(
  client: Client,
  server: string,
  { name, description, launch, set, output = "table" }: UpdateOptions,
): Promise<void> {
  const { id } = await serverNamed(client, server);
  const after = await client.updateMcpServer({
    params: { id },
    body: {
      ...(name !== undefined && { name }),
      ...(description !== undefined && { description }),
      ...(launch !== undefined && { launch: Launch.parse(readDocument(launch)) }),
      ...(set && { settings: z.record(z.string(), Json).parse(readInput(set)) }),
    },
  });
  notice(`${after.name} is ${after.state}.${after.launchApproved ? "" : " What it would run or work in waits for approval."}`);
  if (output !== "table") printDocument(after, output);
}
