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

const inUrl = (host: string): string | undefined => (URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : undefined);

/** In lower case, IPv6 in brackets and in its one short form. */
function normalHost(text: string): string {
  const lower = text.toLowerCase();
  const bracketed = /^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/.test(lower) ? `[${lower}]` : lower;
  return bracketed.replace(/^\[.*\]/, (address) => inUrl(address) ?? address);
}

/** `name` as URLs have it; `isBelow`: not the name itself, but all names that end with it. Undefined for what is no such host. */
export function readAllowedHost(text: string): { name: string; isBelow: boolean; port: number | undefined } | undefined {
  const [, star, name = "", digits] = /^(\*\.)?([^*:[\]]+|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  const isBelow = star !== undefined;
  const isName = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name);
  const isPlain = isBelow ? isName && name.includes(".") && inUrl(`x.${name}`) !== undefined : isName || name.startsWith("[");
  if (!isPlain || (port ?? 0) > 65_535 || inUrl(name) !== name) return undefined;
  return { name, isBelow, port };
}

/** Without a port, 80 and 443 are meant. */
export const AllowedHost = z
  .string()
  .min(1)
  .max(262)
  .overwrite(normalHost)
  .refine(
    (text) => readAllowedHost(text) !== undefined,
    "expected a host name in ASCII, `*.` before a name of two parts or more, or an address; each with an optional `:port`",
  );

/** Inside, the system is read-only and little of it visible; home, work folder and temporary files are the server's own. */
export const Sandbox = z.strictObject({
  /** Files and folders of this machine that it may read, beside the system's programs and libraries. */
  read: z.array(AbsolutePath).max(64).default([]),
  write: z.array(AbsolutePath).max(64).default([]),
  /**
   * `all` is the network of this machine, private addresses and all. `hosts` can be reached through a proxy that the platform
   * serves, and nothing else.
   */
  network: z
    .union([z.enum(["none", "all"]), z.strictObject({ hosts: z.array(AllowedHost).min(1).max(LIMITS.mcpSandboxHosts) })], {
      error: `expected "none", "all" or {"hosts": ["example.org", …]} with 1 to ${LIMITS.mcpSandboxHosts} hosts`,
    })
    .default("none"),
});
export type Sandbox = z.infer<typeof Sandbox>;
