import { LIMITS } from "#contract/limits.ts";
import type { Caps } from "#contract/mcp/confinement.ts";
import { AppError } from "#server/kernel/errors.ts";

/** What a tree may use; each cap has its number. */
export type Allowed = { readonly [K in keyof Required<Caps>]: number };

/** What a tree uses. */
export type Usage = {
  /** Private and shared memory, without what is only mapped from files. */
  memoryBytes: number;
  cpuMs: number;
  /** Over the last while; 100 is one core. Undefined until it has lasted that long. */
  cpuPercent: number | undefined;
  processes: number;
  openFiles: number;
  diskBytes: number;
};

export const allowedFor = (caps: Caps | undefined): Allowed => ({
  memoryBytes: caps?.memoryBytes ?? LIMITS.mcpMemoryBytes,
  cpuPercent: caps?.cpuPercent ?? LIMITS.mcpCpuPercent,
  processes: caps?.processes ?? LIMITS.mcpProcesses,
  openFiles: caps?.openFiles ?? LIMITS.mcpOpenFiles,
  fileBytes: caps?.fileBytes ?? LIMITS.mcpFileBytes,
  diskBytes: caps?.diskBytes ?? LIMITS.mcpDiskBytes,
});

/** Caps that nobody but this process watches over; the others are the system's business. */
const WATCHED = ["memoryBytes", "cpuPercent", "processes", "diskBytes"] as const;
const WORDS = {
  memoryBytes: (n: number) => `${mebi(n)} MiB of memory`,
  cpuPercent: (n: number) => `${Math.round(n)} % of a core`,
  processes: (n: number) => `${n} processes`,
  diskBytes: (n: number) => `${mebi(n)} MiB in its folders`,
} as const;

const mebi = (bytes: number): number => Math.round(bytes / 1024 / 1024);

/** The first cap that is crossed, with what was measured and what is allowed. */
export function overLimit(usage: Usage, allowed: Allowed): AppError | undefined {
  const crossed = WATCHED.find((cap) => (usage[cap] ?? 0) > allowed[cap]);
  if (crossed === undefined) return undefined;
  const words = WORDS[crossed];
  const message = `The server was ended: it used ${words(usage[crossed] ?? 0)}, and ${words(allowed[crossed])} are allowed (${crossed}).`;
  return new AppError("mcp_over_limit", message, { retryable: true });
}
