import type {
  CompleteRequest,
  CompleteResult,
  GetPromptResult,
  LoggingLevel,
  Prompt,
  ReadResourceResult,
  Resource,
  ResourceTemplateType,
  RequestOptions,
  ServerCapabilities,
} from "@modelcontextprotocol/client";
import { AppError } from "#server/kernel/errors.ts";
import type { CallOptions } from "./open-call.ts";
import type { PlatformClient } from "./platform-client.ts";
import { WatchedResources, type ResourceWatcher } from "./watched-resources.ts";

/** More pages than this are a server that never comes to an end. */
export const MOST_PAGES = 64;
/** More than anybody looks through; longer lists are refused. */
export const MOST_LISTED = 10_000;

/** What a conversation offers besides tools. Everything rejects with the SDK's errors; `callFailure` gives them their class. */
export type Requests = {
  readonly capabilities: Readonly<ServerCapabilities>;
  /** All pages; empty for a server without resources. The same holds for the other lists. */
  listResources(options: CallOptions): Promise<Resource[]>;
  listResourceTemplates(options: CallOptions): Promise<ResourceTemplateType[]>;
  readResource(uri: string, options: CallOptions): Promise<ReadResourceResult>;
  /** Tells the watcher of every update until the returned function is called. */
  watchResource(uri: string, watcher: ResourceWatcher, options: CallOptions): Promise<() => Promise<void>>;
  listPrompts(options: CallOptions): Promise<Prompt[]>;
  getPrompt(prompt: { name: string; arguments?: Record<string, string> }, options: CallOptions): Promise<GetPromptResult>;
  complete(what: CompleteRequest["params"], options: CallOptions): Promise<CompleteResult["completion"]>;
  /** From which level on the server sends log messages. */
  setLogLevel(level: LoggingLevel, options: CallOptions): Promise<void>;
  ping(options: CallOptions): Promise<void>;
};

export function requestsOf(client: PlatformClient): Requests {
  const watched = new WatchedResources(client);
  const capabilities = client.getServerCapabilities() ?? {};
  return {
    capabilities,
    listResources: (options) =>
      client.talk(options, (request) =>
        listAll("resources/list", capabilities.resources, async (cursor) => {
          const { resources, nextCursor } = await client.request({ method: "resources/list", params: { cursor } }, request);
          return { items: resources, nextCursor };
        }),
      ),
    listResourceTemplates: (options) =>
      client.talk(options, (request) =>
        listAll("resources/templates/list", capabilities.resources, async (cursor) => {
          const page = await client.request({ method: "resources/templates/list", params: { cursor } }, request);
          return { items: page.resourceTemplates, nextCursor: page.nextCursor };
        }),
      ),
    readResource: (uri, options) => client.talk(options, (request, meta) => client.readResource({ uri, _meta: meta }, fresh(request))),
    watchResource: (uri, watcher, options) => watched.watch(uri, watcher, options),
    listPrompts: (options) =>
      client.talk(options, (request) =>
        listAll("prompts/list", capabilities.prompts, async (cursor) => {
          const { prompts, nextCursor } = await client.request({ method: "prompts/list", params: { cursor } }, request);
          return { items: prompts, nextCursor };
        }),
      ),
    getPrompt: (prompt, options) => client.talk(options, (request, meta) => client.getPrompt({ ...prompt, _meta: meta }, request)),
    complete: async (what, options) => (await client.talk(options, (request) => client.complete(what, request))).completion,
    setLogLevel: (level, options) => client.talk(options, (request) => client.setLogLevel(level, request)),
    ping: async (options) => {
      const isModern = client.getProtocolEra() === "modern";
      await client.talk<unknown>(options, (request) => (isModern ? client.discover(request) : client.ping(request)));
    },
  };
}

/** Whoever reads a resource wants what it is now. */
const fresh = (request: RequestOptions) => ({ ...request, cacheMode: "bypass" as const });

type Page<T> = { items: T[]; nextCursor?: string | undefined };

export async function listAll<T>(
  method: string,
  capability: object | undefined,
  fetchPage: (cursor: string | undefined) => Promise<Page<T>>,
): Promise<T[]> {
  if (capability === undefined) return [];
  const items: T[] = [];
  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    items.push(...page.items);
    cursor = page.nextCursor;
    if (items.length > MOST_LISTED) throw endless(method, `more than ${MOST_LISTED} entries`);
    if (cursor !== undefined && (seen.size + 1 >= MOST_PAGES || seen.has(cursor))) throw endless(method, "pages without an end");
    if (cursor !== undefined) seen.add(cursor);
  } while (cursor !== undefined);
  return items;
}

const endless = (method: string, what: string): AppError =>
  new AppError("mcp_protocol_error", `The server answers ${method} with ${what}.`, {
    remedy: "Correct the server: its list has to come to an end.",
  });
