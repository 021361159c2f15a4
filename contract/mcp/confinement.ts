import { z } from "zod";
import { LIMITS } from "../limits.ts";

const upTo = (most: number, least = 1) => z.number().int().min(least).max(most).optional();

/** What one server with all its processes may use. What is left out has the platform's default. */
export const Caps = z.strictObject({
  /** Of all processes together; more ends them. */
  memoryBytes: upTo(2 ** 44, LIMITS.mcpLeastMemoryBytes),
  /** 100 is one core. More than this for long ends the server. */
  cpuPercent: upTo(25_600),
  /** More ends the server. */
  processes: upTo(32_768),
  /** Of each process; the system refuses to open more. */
  openFiles: upTo(1_048_576, 16),
  /** Of each file that is written; the system refuses to write more. */
  fileBytes: upTo(2 ** 44, 4_096),
  /** Of the server's own folders (work, home and temporary files) together; more ends the server. */
  diskBytes: upTo(2 ** 44, 4_096),
});
export type Caps = z.infer<typeof Caps>;

const isPlain = (path: string): boolean => !path.includes("\0") && path.split("/").every((part) => part !== ".." && part !== ".");
const AbsolutePath = z
  .string()
  .min(2)
  .max(1_024)
  .startsWith("/", "expected an absolute path")
  .refine(isPlain, "expected a path without . and ..");

/** Inside, the system is read-only and little of it visible; home, work folder and temporary files are the server's own. */
export const Sandbox = z.strictObject({
  /** Files and folders of this machine that it may read, beside the system's programs and libraries. */
  read: z.array(AbsolutePath).max(64).default([]),
  write: z.array(AbsolutePath).max(64).default([]),
  /** `all` is the network of this machine, private addresses and all. */
  network: z.enum(["none", "all"]).default("none"),
});
export type Sandbox = z.infer<typeof Sandbox>;
