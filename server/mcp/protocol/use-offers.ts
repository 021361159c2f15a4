import type { CompleteMcp } from "#contract/mcp/completion.ts";
import type { McpPrompt } from "#contract/mcp/prompts.ts";
import type { McpResource, McpResourceTemplate, McpResourceContents, ReadMcpResource } from "#contract/mcp/resources.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { Connection } from "../connection/connection.ts";
import { toJson } from "../connection/json-value.ts";
import type { CallOptions } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { scanFilled } from "./filled-prompt.ts";
import { askServer } from "./request.ts";
import { checkReference, resolveUri } from "./resolve-uri.ts";
import { createServerLists, type Listed, type ListDeps, type ServerLists } from "./server-lists.ts";

type Deps = { supervisor: Supervisor; lists: ServerLists; redactor: Redactor };
type Prompt = { name: string; arguments: Record<string, string> };
type Filled = { description: string | null; messages: McpResourceContents["contents"]; findings: string[] };
type Suggested = { values: string[]; total: number | null; hasMore: boolean };
/** One server, and how long its caller waits. */
export type At = { caller: Caller; id: string; signal: AbortSignal };
type Timed<T> = T & { timeoutMs: number };

export type OfferUseCases = {
  resources(at: At): Promise<Listed<McpResource>>;
  templates(at: At): Promise<Listed<McpResourceTemplate>>;
  prompts(at: At): Promise<Listed<McpPrompt>>;
  read(at: At, wanted: ReadMcpResource): Promise<McpResourceContents>;
  prompt(at: At, wanted: Timed<Prompt>): Promise<Filled>;
  complete(at: At, wanted: CompleteMcp): Promise<Suggested>;
};

/** What servers offer beside tools: their lists, and what is done with them. */
export function createOffers(deps: ListDeps & Omit<Deps, "lists">): { lists: ServerLists; offers: OfferUseCases } {
  const lists = createServerLists(deps);
  return { lists, offers: offerUseCases({ ...deps, lists }) };
}

/** What people and programs do with the resources and prompts of servers. Another tenant's server is `not_found`. */
function offerUseCases({ supervisor, lists, redactor }: Deps): OfferUseCases {
  const find = ({ caller, id }: At): Promise<SupervisedServer> => supervisor.get(caller.tenantId, id);
  const ask = async <T>(at: At, timeoutMs: number, send: (connection: Connection, options: CallOptions) => Promise<T>): Promise<T> =>
    askServer(await find(at), { sessionKey: at.caller.ref, timeoutMs, signal: at.signal }, send);
  const clear = <T extends McpResource | McpResourceTemplate | McpPrompt>({ items, ...list }: Listed<T>): Listed<T> => ({
    ...list,
    items: items.map((item) => redactor.json(item)),
  });
  return {
    resources: async (at) => clear(await lists.resources(await find(at), at.signal)),
    templates: async (at) => clear(await lists.templates(await find(at), at.signal)),
    prompts: async (at) => clear(await lists.prompts(await find(at), at.signal)),
    async read(at, wanted) {
      const server = await find(at);
      const uri = await resolveUri(server, lists, { ...wanted, signal: at.signal });
      const { contents } = await ask(at, wanted.timeoutMs, (connection, options) => {
        needs(connection, "resources");
        return connection.readResource(uri, options);
      });
      // It goes straight to the caller, and the server knows secrets that the caller may not.
      return { uri, contents: contents.map((content) => redactor.json(toJson(content))) };
    },
    async prompt(at, { name, arguments: args, timeoutMs }) {
      const { items } = await lists.prompts(await find(at), at.signal);
      if (!items.some((prompt) => prompt.name === name)) throw new AppError("mcp_prompt_unknown", `The server has no prompt ${name}.`);
      const filled = await ask(at, timeoutMs, (connection, options) => connection.getPrompt({ name, arguments: args }, options));
      const messages = filled.messages.map((message) => redactor.json(toJson(message)));
      return { description: redactor.json(filled.description ?? null), messages, findings: scanFilled(filled, args) };
    },
    async complete(at, { ref, argument, context, timeoutMs }) {
      if (ref.type === "resource") await checkReference(await find(at), lists, { uri: ref.uriTemplate, signal: at.signal });
      const target = ref.type === "prompt" ? { type: "ref/prompt" as const, name: ref.name } : ofTemplate(ref.uriTemplate);
      const { values, total, hasMore } = await ask(at, timeoutMs, (connection, options) => {
        needs(connection, "completions");
        return connection.complete({ ref: target, argument, ...(context && { context: { arguments: context } }) }, options);
      });
      return { values: values.map((value) => redactor.text(value)), total: total ?? null, hasMore: hasMore === true };
    },
  };
}

const ofTemplate = (uri: string) => ({ type: "ref/resource" as const, uri });

function needs(connection: Connection, what: "resources" | "completions"): void {
  if (connection.capabilities[what] === undefined) throw new AppError("mcp_unsupported", `The server offers no ${what}.`);
}
