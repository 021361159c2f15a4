import type { Implementation, ServerCapabilities } from "@modelcontextprotocol/server";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import { allServers, instructionsOf, oneServer, serverUnknown, type Exposure } from "./exposure.ts";
import type { Find } from "./find.ts";
import type { Client } from "./client.ts";
import type { Supervisor } from "../supervision/supervisor.ts";

export type Place = { tenantId: string; environment: string };
/** What one path serves. */
export type Endpoint = Omit<Client, "actor" | "isSession" | "sessionKey" | "frames" | "input" | "onLeft">;

const keyOfAll = ({ tenantId, environment }: Place): string => `${tenantId}/${environment}/*`;

/** The endpoints at which a server is served. Its own is the server's and not its name's, which may be another one's tomorrow. */
export const keysOf = (server: Place & { id: string }): string[] => [keyOfAll(server), server.id];

export type EndpointDeps = { supervisor: Supervisor; version: string; findAt: (exposure: Exposure) => Find };

/** How long the first client of a server that is starting waits to be told what it can do. */
const FIRST_MS = 10_000;

/** Everything that all servers can do together. */
const ALL: ServerCapabilities = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
};

const INSTRUCTIONS =
  "The tools and prompts of several MCP servers, each named after its server: <server>__<tool>. Resources are at auterity:<server>/<their own address>.";

/** All servers of a place as one. */
export function endpointOfAll({ supervisor, version, findAt }: EndpointDeps, place: Place): Endpoint {
  const exposure = allServers(supervisor, place);
  return {
    key: keyOfAll(place),
    isOne: false,
    exposure,
    find: findAt(exposure),
    info: { name: "auterity", version },
    instructions: INSTRUCTIONS,
    capabilities: ALL,
  };
}

/** One server as it is. Throws `not_found`. */
export async function endpointOfOne({ supervisor, findAt }: EndpointDeps, place: Place, name: string): Promise<Endpoint> {
  const server = supervisor.known({ ...place, name }) ?? (await supervisor.find({ ...place, name }));
  if (server === undefined) throw serverUnknown(name);
  const { info, capabilities } = await describe(server);
  const exposure = oneServer(server);
  return {
    key: server.record.id,
    isOne: true,
    exposure,
    find: findAt(exposure),
    info,
    instructions: instructionsOf(server),
    capabilities,
  };
}

type Described = { info: Implementation; capabilities: ServerCapabilities };

/** By what the server says: it is looked at once for each connection. */
const infos = new WeakMap<Implementation, Implementation>();

/** What a server says of itself, unless the scan finds something in it: nobody is asked about that. */
function infoOf({ record }: SupervisedServer, said: Implementation | undefined): Implementation {
  const plain = { name: record.name, version: "unknown" };
  if (said === undefined) return plain;
  const known = infos.get(said) ?? (scanDefinition(said).length === 0 ? said : plain);
  infos.set(said, known);
  return known;
}

/** What servers said of themselves when they were last connected: it holds while they restart. */
const described = new WeakMap<SupervisedServer, Described>();

async function describe(server: SupervisedServer): Promise<Described> {
  const last = described.get(server);
  const connection =
    server.connection ?? (last === undefined ? await server.whenReady(AbortSignal.timeout(FIRST_MS)).catch(() => {}) : undefined);
  if (connection === undefined)
    return last ?? { info: { name: server.record.name, version: "unknown" }, capabilities: { tools: { listChanged: true } } };
  const { tools, resources, prompts, completions, logging } = connection.capabilities;
  const now = {
    info: infoOf(server, connection.serverInfo),
    capabilities: {
      ...(tools && { tools: { listChanged: true } }),
      ...(resources && { resources: { listChanged: true, ...(resources.subscribe && { subscribe: true }) } }),
      ...(prompts && { prompts: { listChanged: true } }),
      ...(completions && { completions }),
      ...(logging && { logging }),
    },
  };
  described.set(server, now);
  return now;
}
