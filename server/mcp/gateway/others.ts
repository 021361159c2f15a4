import type { Result, ServerCapabilities } from "@modelcontextprotocol/server";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { isRecord } from "../connection/json-value.ts";
import { scanFilled } from "../protocol/filled-prompt.ts";
import { pageOf, type Exposure, type Own } from "./exposure.ts";
import type { Find } from "./find.ts";
import { withFindings } from "./flagging.ts";
import { forward } from "./forward.ts";
import { LISTS, itemsOf, type Item, type KnownLists, type ListKind } from "./lists.ts";
import type { Asked, Handler, Params } from "./handler.ts";
import { plain } from "./plain.ts";

type Deps = { exposure: Exposure; find: Find; lists: KnownLists; isOne: boolean; redactor: Redactor };

/** What servers offer beside tools: resources, their templates, prompts, and suggestions for arguments of both. */
export function otherHandlers({ exposure, find, lists, isOne, redactor }: Deps, capabilities: ServerCapabilities): [string, Handler][] {
  const list = (kind: ListKind, expose: (own: Own, item: Item) => Item): Handler =>
    isOne ? listOne({ exposure, lists }, kind) : listAll({ exposure, lists, kind, expose });
  const uri: (own: Own, item: Item) => Item = ({ server }, item) => withUri(item, "uri", (own) => exposure.uri(server, own));
  const template: typeof uri = ({ server }, item) => withUri(item, "uriTemplate", (own) => exposure.uri(server, own));
  const prompt: typeof uri = ({ server, own }, item) => ({ ...item, name: exposure.name(server, own) });
  const resources: [string, Handler][] = [
    [LISTS.resources.method, list("resources", uri)],
    [LISTS.templates.method, list("templates", template)],
    ["resources/read", (params, asked) => readResource({ exposure, find }, params, asked)],
  ];
  const prompts: [string, Handler][] = [
    [LISTS.prompts.method, list("prompts", prompt)],
    ["prompts/get", (params, asked) => getPrompt({ exposure, find }, params, asked)],
  ];
  const handlers = [
    ...(capabilities.resources ? resources : []),
    ...(capabilities.prompts ? prompts : []),
    ...(capabilities.completions ? [complete(find)] : []),
  ];
  return handlers.map(([method, handler]) => [method, async (params, asked) => plain(redactor, await handler(params, asked))]);
}

/** Page for page as the server gives them; what the scan finds in them is said beside it. */
const listOne =
  ({ exposure, lists }: Pick<Deps, "exposure" | "lists">, kind: ListKind): Handler =>
  async ({ cursor }, asked) => {
    const [server] = exposure.servers();
    const { method, member } = LISTS[kind];
    if (server === undefined) return { [member]: [] };
    const page = await forward(server, { method, params: cursor === undefined ? {} : { cursor } }, asked);
    return Array.isArray(page[member]) ? { ...page, [member]: [...lists.mark(itemsOf(page, member))] } : page;
  };

type Listing = Pick<Deps, "exposure" | "lists"> & { kind: ListKind; expose: (own: Own, item: Item) => Item };

const listAll =
  ({ exposure, lists, kind, expose }: Listing): Handler =>
  async ({ cursor }) => {
    const gathered = await lists.gather(kind, exposure.servers());
    const shown = gathered.map(({ server, items }) => ({
      server,
      items: exposure.hidesFlagged(server) ? lists.withoutFlagged(server, items) : lists.mark(items),
    }));
    const all = shown.flatMap(({ server, items }) => items.map((item) => expose({ server, own: String(item["name"]) }, item)));
    const key = (item: Item): string => String(item["uri"] ?? item["uriTemplate"] ?? item["name"]);
    const sorted = all.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const { items, ...rest } = pageOf(sorted, key, typeof cursor === "string" ? cursor : undefined);
    return { [LISTS[kind].member]: items, ...rest };
  };

type Finding = Pick<Deps, "exposure" | "find">;

async function readResource({ exposure, find }: Finding, params: Params, asked: Asked): Promise<Result> {
  const { server, own } = await find.resource(params["uri"], asked.signal);
  const answer = await forward(server, { method: "resources/read", params: { ...params, uri: own } }, asked);
  if (!Array.isArray(answer["contents"])) return answer;
  return { ...answer, contents: itemsOf(answer, "contents").map((item) => withUri(item, "uri", (one) => exposure.uri(server, one))) };
}

async function getPrompt({ exposure, find }: Finding, params: Params, asked: Asked): Promise<Result> {
  const { server, own } = await find.prompt(params["name"], asked.signal);
  const answer = await forward(server, { method: "prompts/get", params: { ...params, name: own } }, asked);
  const { description, messages } = answer;
  if (!Array.isArray(messages)) return answer;
  const findings = scanFilled({ description, messages }, isRecord(params["arguments"]) ? params["arguments"] : {});
  if (findings.length > 0 && exposure.hidesFlagged(server)) throw suspicious(findings);
  const exposed = itemsOf(answer, "messages").map((message) => ({
    ...message,
    content: exposeContent(exposure, server, message["content"]),
  }));
  return withFindings({ ...answer, messages: exposed }, findings);
}

function suspicious(findings: readonly string[]): AppError {
  const issues = findings.map((message) => ({ path: "messages", message }));
  return new AppError("mcp_prompt_suspicious", `The scan has found something in the prompt's text: ${findings.slice(0, 3).join("; ")}.`, {
    issues,
  });
}

const complete = (find: Find): [string, Handler] => [
  "completion/complete",
  async (params, asked) => {
    const ref = isRecord(params["ref"]) ? params["ref"] : {};
    const isPrompt = ref["type"] === "ref/prompt";
    const { server, own } = await (isPrompt ? find.prompt(ref["name"], asked.signal) : find.reference(ref["uri"], asked.signal));
    const named = isPrompt ? { ...ref, name: own } : { ...ref, uri: own };
    return forward(server, { method: "completion/complete", params: { ...params, ref: named } }, asked);
  },
];

/** A piece of a tool's or prompt's content, with the resources that it names under the names that they have here. */
export function exposeContent(exposure: Exposure, server: Own["server"], content: unknown): unknown {
  const expose = (own: string): string => exposure.uri(server, own);
  if (!isRecord(content)) return content;
  if (content["type"] === "resource_link") return withUri(content, "uri", expose);
  const { resource } = content;
  return content["type"] === "resource" && isRecord(resource) ? { ...content, resource: withUri(resource, "uri", expose) } : content;
}

function withUri(item: Item, member: string, expose: (own: string) => string): Item {
  const own = item[member];
  return typeof own === "string" ? { ...item, [member]: expose(own) } : item;
}
