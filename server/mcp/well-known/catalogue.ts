import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Page, PageQuery } from "#contract/common.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import type { WellKnownServer } from "#contract/mcp/well-known.ts";
import { AppError } from "#server/kernel/errors.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import { BUSINESS_SERVERS } from "./servers/business.ts";
import { DEVELOPER_SERVERS } from "./servers/developer.ts";
import { REFERENCE_SERVERS } from "./servers/reference.ts";
import type { Bundled, WellKnown } from "./entry.ts";

const ALL: readonly WellKnown[] = [...REFERENCE_SERVERS, ...DEVELOPER_SERVERS, ...BUSINESS_SERVERS];

export const wellKnown = (id: string): WellKnown | undefined => ALL.find((server) => server.id === id);

/** Those that hold all words of `q`, in the catalogue's order. */
export function searchWellKnown(q = ""): WellKnownServer[] {
  const words = q
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return ALL.map(viewWellKnown).filter(({ id, title, description, category }) => {
    const text = `${id} ${title} ${description} ${category}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The same, a page at a time. */
export function pageWellKnown({ q, limit, cursor }: PageQuery & { q?: string | undefined }): Page<WellKnownServer> {
  const found = searchWellKnown(q);
  const [after] = decodeCursor(cursor, [/^[a-z0-9][a-z0-9_-]*$/]) ?? [];
  const from = after === undefined ? 0 : found.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && from === 0) throw new AppError("cursor_invalid", "The cursor is not one that this list has given out.");
  return toPage(found.slice(from, from + limit + 1), { limit, map: (server) => server, key: ({ id }) => [id] });
}

function viewWellKnown({ launch, inputs = [], ...server }: WellKnown): WellKnownServer {
  const bundled = "bundled" in launch;
  const runs = bundled
    ? [`@modelcontextprotocol/${launch.bundled}`, ...launch.args].join(" ")
    : launch.transport === "http"
      ? launch.url
      : [launch.command, ...launch.args].join(" ");
  return { ...server, transport: bundled ? "stdio" : launch.transport, runs, bundled, inputs: [...inputs] };
}

/** The launch with its variables; a bundled server's runs the script that is installed here, with this Node. */
export function launchOf(launch: Launch | Bundled): Launch {
  if (!("bundled" in launch)) return launch;
  return { transport: "stdio", command: process.execPath, args: [scriptOf(launch.bundled), ...launch.args], env: launch.env };
}

const Package = z.looseObject({ bin: z.record(z.string(), z.string()) });

function scriptOf(name: Bundled["bundled"]): string {
  const file = createRequire(import.meta.url).resolve(`@modelcontextprotocol/${name}/package.json`);
  const [script = ""] = Object.values(Package.parse(JSON.parse(readFileSync(file, "utf8"))).bin);
  return join(dirname(file), script);
}
