import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { ServerLists } from "./server-lists.ts";
import { couldBecome } from "./uri-template.ts";

type Named = { own: string; signal: AbortSignal };
const isFlagged = ({ findings }: { findings: readonly string[] }): boolean => findings.length > 0;

/** Whether the scan has found something in what the server lists under this name. */
export async function isFlaggedPrompt(server: SupervisedServer, lists: ServerLists, { own, signal }: Named): Promise<boolean> {
  const { items } = await lists.prompts(server, signal);
  return items.some((prompt) => prompt.name === own && isFlagged(prompt));
}

/** The same of an address, or of a template. What is not listed itself counts as what the templates say that could have become it. */
export async function isFlaggedAddress(server: SupervisedServer, lists: ServerLists, { own, signal }: Named): Promise<boolean> {
  const listed = (await lists.resources(server, signal)).items.filter(({ uri }) => uri === own);
  if (listed.length > 0) return listed.some(isFlagged);
  const templates = (await lists.templates(server, signal)).items;
  const exact = templates.filter(({ uriTemplate }) => uriTemplate === own);
  if (exact.length > 0) return exact.some(isFlagged);
  if (!templates.some(isFlagged)) return false;
  const fitting = templates.filter(({ uriTemplate }) => couldBecome(uriTemplate, own));
  return fitting.length > 0 && fitting.every(isFlagged);
}
