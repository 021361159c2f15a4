import type { ReadMcpResource } from "#contract/mcp/resources.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { ServerLists } from "./server-lists.ts";
import { expandTemplate } from "./uri-template.ts";
import { checkUri } from "./uris.ts";

type Wanted = ReadMcpResource & { signal: AbortSignal };

/** The address to ask the server for. Throws `mcp_uri_refused`. */
export async function resolveUri(server: SupervisedServer, lists: ServerLists, wanted: Wanted): Promise<string> {
  const { signal } = wanted;
  if ("uri" in wanted) {
    const { uri } = wanted;
    checkUri(uri, { isOffered: true });
    const isFile = /^file:/i.test(uri);
    const isOffered = !isFile || (await lists.resources(server, signal)).items.some((resource) => resource.uri === uri);
    checkUri(uri, { isOffered });
    return uri;
  }
  const { items } = await lists.templates(server, signal);
  const template = items.find((one) => one.uriTemplate === wanted.uriTemplate);
  if (template === undefined) throw new AppError("mcp_uri_refused", "The server lists no such template.");
  const expanded = expandTemplate(template.uriTemplate, wanted.variables);
  checkUri(expanded, { isOffered: /^file:/i.test(template.uriTemplate) });
  return expanded;
}
