import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";

export const MapReport = z.object({
  items: z.number(),
  /** MiB, after garbage collection: the most while the map ran, and once it was over, each beyond what was used before. */
  grownBy: z.number(),
  leftBehind: z.number(),
  msPerItem: z.number(),
  /** Results that are missing or in the wrong place. */
  wrong: z.number(),
});
export type MapReport = z.infer<typeof MapReport>;

/** Runs a map of so many items in a process of its own. `url`: a login that may create roles, on a database that may be filled. */
export async function measureMap(url: string, items: number): Promise<MapReport> {
  const program = fileURLToPath(new URL("map-process.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", program, url, String(items)]);
  return MapReport.parse(JSON.parse(stdout));
}
