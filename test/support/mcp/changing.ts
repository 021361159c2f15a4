import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SERVER = fileURLToPath(new URL("changing-server.ts", import.meta.url));

export type ChangingTool = { name: string; description?: string; inputSchema?: object; [member: string]: unknown };
type Script = {
  tools?: readonly unknown[];
  alternatives?: readonly (readonly unknown[])[];
  afterCalls?: { calls: number; tools: readonly unknown[] };
  instructions?: string;
  isQuiet?: boolean;
};

/** A server whose tools a test changes while it runs; see `changing-server.ts`. */
export type ChangingServer = {
  launch: { transport: "stdio"; command: string; args: string[]; env: Record<string, string> };
  /** From now on it lists this. */
  says(script: Script): Promise<void>;
  /** The names of the tools that were called, in order. */
  called(): Promise<string[]>;
  remove(): Promise<void>;
};

export async function changingServer(script: Script): Promise<ChangingServer> {
  const folder = await mkdtemp(join(tmpdir(), "auterity-changing-"));
  const file = join(folder, "tools.json");
  const canary = join(folder, "canary");
  // At once: the server may read at any time.
  const says = async (next: Script): Promise<void> => {
    await writeFile(`${file}.next`, JSON.stringify({ ...next, canary }));
    await rename(`${file}.next`, file);
  };
  await says(script);
  return {
    launch: { transport: "stdio", command: process.execPath, args: ["--disable-warning=ExperimentalWarning", SERVER, file], env: {} },
    says,
    called: async () => (await readFile(canary, "utf8").catch(() => "")).split("\n").filter(Boolean),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** A tool that fits every rule; what is given replaces its members. */
export const plainTool = (given: Partial<ChangingTool> = {}): ChangingTool => ({
  name: "add",
  description: "Adds two numbers.",
  inputSchema: { type: "object", properties: { a: { type: "number", description: "first" } } },
  ...given,
});
