import { AppError } from "#server/kernel/errors.ts";
import { isFlaggedAddress, isFlaggedPrompt } from "../protocol/flagged.ts";
import { checkAddress, checkReference } from "../protocol/resolve-uri.ts";
import type { ServerLists } from "../protocol/server-lists.ts";
import type { Exposure, Own } from "./exposure.ts";
import type { KnownLists } from "./lists.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/**
 * What clients name beside tools, and whose it is. Throws `not_found` for what is not there, and `mcp_uri_refused` for an address
 * that no server is asked for.
 */
export type Find = {
  resource(uri: unknown, signal: AbortSignal): Promise<Own>;
  /** A template by which it is listed, or an address. */
  reference(uri: unknown, signal: AbortSignal): Promise<Own>;
  prompt(name: unknown, signal: AbortSignal): Promise<Own>;
};

type Deps = { exposure: Exposure; lists: KnownLists; offered: ServerLists };

export function createFind({ exposure, lists, offered }: Deps): Find {
  const ofUri = (uri: unknown): Own => {
    const found = typeof uri === "string" ? exposure.ofUri(uri) : undefined;
    if (found === undefined) throw notThere("resource");
    return found;
  };
  const namesOf = (server: SupervisedServer): string[] => lists.known("prompts", server).map((prompt) => String(prompt["name"]));
  const ofPrompt = (name: string): Own | undefined => exposure.promptOf(name, namesOf);
  /** Nobody may have asked for the list yet that says what a name is short for. */
  const ofListed = async (name: string): Promise<Own | undefined> => {
    const unsure: SupervisedServer[] = [];
    exposure.promptOf(name, (server) => (unsure.push(server), []));
    if (unsure.length === 0) return undefined;
    await lists.gather("prompts", unsure);
    return ofPrompt(name);
  };
  const ask = async (uri: unknown, signal: AbortSignal, check: typeof checkAddress): Promise<Own> => {
    const found = ofUri(uri);
    const { server, own } = found;
    await check(server, offered, { uri: own, signal });
    if (exposure.hidesFlagged(server) && (await isFlaggedAddress(server, offered, { own, signal }))) throw notThere("resource");
    return found;
  };
  return {
    resource: (uri, signal) => ask(uri, signal, checkAddress),
    reference: (uri, signal) => ask(uri, signal, checkReference),
    async prompt(name, signal) {
      const found = ofPrompt(String(name)) ?? (await ofListed(String(name)));
      if (found === undefined) throw notThere("prompt");
      const { server, own } = found;
      if (exposure.hidesFlagged(server) && (await isFlaggedPrompt(server, offered, { own, signal }))) throw notThere("prompt");
      return found;
    },
  };
}

const notThere = (what: "resource" | "prompt"): AppError => new AppError("not_found", `There is no such ${what}.`);
