import { z } from "zod";
import { Json } from "#contract/common.ts";
import { Launch } from "#contract/mcp/servers.ts";
import type { Client } from "#sdk/client.ts";
import { readDocument, readInput } from "../definition-file.ts";
import type { Format } from "../output.ts";
import { serverNamed, tellServer } from "./mcp-server.ts";

type UpdateOptions = { name?: string; description?: string; launch?: string; set?: string[]; output: Format };

/** `launch` is a file that holds a whole launch; `set` are settings, and `null` restores one's default. Resolves with the exit code. */
export async function updateServer(client: Client, server: string, { output, ...change }: UpdateOptions): Promise<number> {
  const { name, description, launch, set } = change;
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
  return tellServer(after, output);
}
