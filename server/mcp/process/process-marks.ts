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
export type Marks = { environment: string; residentLimit: string };

export async function readMarks(pid: number): Promise<Marks> {
  const [environment, limits] = await Promise.all([
    readFile(`/proc/${pid}/environ`, "latin1").catch(() => ""),
    readFile(`/proc/${pid}/limits`, "latin1").catch(() => ""),
  ]);
  // The hard limit: a process may lower the soft one and raise it again.
  return { environment, residentLimit: /^Max resident set +\S+ +(\d+)/m.exec(limits)?.[1] ?? "" };
}

export const carryMarker = ({ environment, residentLimit }: Marks, marker: string): boolean =>
  residentLimit === String(BigInt(residentLimitKib(marker)) * 1024n) || `\0${environment}\0`.includes(`\0${MARKER_NAME}=${marker}\0`);
