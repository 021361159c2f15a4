import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** A line in the environment that all members of a tree inherit, unless they are started with another environment. */
export const MARKER_NAME = "AUTERITY_INSTANCE";

/**
 * The same as a resource limit, which members inherit whatever they do to their environment, session and parents: the
 * greatest resident set, in KiB. Linux has no use for that limit; the numbers are beyond the memory of any machine.
 */
export const residentLimitKib = (marker: string): number =>
  2 ** 50 + Number.parseInt(createHash("sha256").update(marker).digest("hex").slice(0, 12), 16);

/** What a process says about where it belongs. */
export type Marks = { marker: string; residentLimit: string };

const MARKER = new RegExp(`(?:^|\\0)${MARKER_NAME}=([^\\0]*)`);

export async function readMarks(pid: number): Promise<Marks> {
  const [environment, limits] = await Promise.all([
    readFile(`/proc/${pid}/environ`, "latin1").catch(() => ""),
    readFile(`/proc/${pid}/limits`, "latin1").catch(() => ""),
  ]);
  // The hard limit: a process may lower the soft one and raise it again.
  return { marker: MARKER.exec(environment)?.[1] ?? "", residentLimit: /^Max resident set +\S+ +(\d+)/m.exec(limits)?.[1] ?? "" };
}

/** What members of the tree with this marker say. */
export const marksOf = (marker: string): Marks => ({ marker, residentLimit: String(BigInt(residentLimitKib(marker)) * 1024n) });

/** One of the two is enough. */
export const areAlike = (a: Marks, b: Marks): boolean => a.residentLimit === b.residentLimit || a.marker === b.marker;
