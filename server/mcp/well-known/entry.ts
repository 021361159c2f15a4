import type { InputField } from "#contract/mcp/import.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import type { WellKnownServer } from "#contract/mcp/well-known.ts";

/** One of the packages that are installed with the platform. */
export type Bundled = { bundled: "server-filesystem" | "server-memory" | "server-everything"; args: string[]; env: Record<string, string> };

export type WellKnown = Pick<WellKnownServer, "id" | "title" | "description" | "category" | "homepage" | "licence"> & {
  launch: Launch | Bundled;
  inputs?: readonly InputField[];
};

type Environment = Record<string, string>;

/** With the version in `spec`: what is approved is then what runs tomorrow. */
export const npx = (spec: string, args: string[] = [], env: Environment = {}): Launch => ({
  transport: "stdio",
  command: "npx",
  args: ["-y", spec, ...args],
  env,
});

/** With the version in `spec`. */
export const uvx = (spec: string, args: string[] = [], env: Environment = {}): Launch => ({
  transport: "stdio",
  command: "uvx",
  args: [spec, ...args],
  env,
});

export const hosted = (url: string, headers: Record<string, string> = {}): Launch => ({ transport: "http", url, headers });

export const key = (id: string, description: string): InputField => ({ id, description, password: true, required: true });
export const optionalKey = (id: string, description: string): InputField => ({ id, description, password: true, required: false });
export const text = (id: string, description: string): InputField => ({ id, description, password: false, required: true });
export const optionalText = (id: string, description: string): InputField => ({ id, description, password: false, required: false });
/** A folder of this machine: it must exist, and be named without links. */
export const folder = (id: string, description: string): InputField => ({ ...text(id, description), folder: true });
