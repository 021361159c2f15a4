import type { ReadMcpResource } from "#contract/mcp/resources.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { ServerLists } from "./server-lists.ts";
import { couldBecome, expandTemplate } from "./uri-template.ts";
import { checkUri, isFile } from "./uris.ts";

type Wanted = ReadMcpResource & { signal: AbortSignal };
type Named = { uri: string; signal: AbortSignal };

/** The address to ask the server for. Throws `mcp_uri_refused`. */
export async function resolveUri(server: SupervisedServer, lists: ServerLists, wanted: Wanted): Promise<string> {
  const { signal } = wanted;
  if ("uri" in wanted) {
    await checkAddress(server, lists, wanted);
    return wanted.uri;
  }
  const { items } = await lists.templates(server, signal);
  const template = items.find((one) => one.uriTemplate === wanted.uriTemplate);
  if (template === undefined) throw new AppError("mcp_uri_refused", "The server lists no such template.");
  const expanded = expandTemplate(template.uriTemplate, wanted.variables);
  checkUri(expanded, { isOffered: isFile(template.uriTemplate) });
  return expanded;
}

/** Whether a server may be asked for this address, whoever wants it. Throws `mcp_uri_refused`. */
export async function checkAddress(server: SupervisedServer, lists: ServerLists, { uri, signal }: Named): Promise<void> {
  checkUri(uri, { isOffered: true });
  if (isFile(uri)) checkUri(uri, { isOffered: await isOffered(server, lists, { uri, signal }) });
}

async function isOffered(server: SupervisedServer, lists: ServerLists, { uri, signal }: Named): Promise<boolean> {
  const resources = await lists.resources(server, signal);
  if (resources.items.some((resource) => resource.uri === uri)) return true;
  const templates = await lists.templates(server, signal);
  return templates.items.some(({ uriTemplate }) => isFile(uriTemplate) && couldBecome(uriTemplate, uri));
}

/** Whether a server may be asked what fits into this template of its own, or this address. Throws `mcp_uri_refused`. */
export async function checkReference(server: SupervisedServer, lists: ServerLists, named: Named): Promise<void> {
  const { items } = await lists.templates(server, named.signal);
  if (!items.some(({ uriTemplate }) => uriTemplate === named.uri)) await checkAddress(server, lists, named);
}
