import pc from "picocolors";
import type { Decided, DefinitionChange, ToolDiff } from "#contract/mcp/tool-review.ts";
import { APPROVALS, type Tool } from "#contract/mcp/tools.ts";
import { Effect } from "#contract/policy.ts";
import type { Client } from "#sdk/client.ts";
import { notice, printDocument, printList, printable, say, shortened, type Format } from "../output.ts";
import { serverNamed } from "./mcp-server.ts";

export const EFFECTS = Effect.options;
export const TOOL_APPROVALS = APPROVALS;

type Listed = { approval?: Tool["approval"]; pending?: boolean; flagged?: boolean; search?: string; output: Format };

/** `pending`: what waits for a decision, never approved or changed since. `flagged`: what is approved, and more was found since. */
export async function listTools(client: Client, { approval, pending, flagged, search, output }: Listed): Promise<void> {
  const wanted: readonly (Tool["approval"] | undefined)[] = pending === true ? UNDECIDED : [approval];
  const found = await Promise.all(
    wanted.map((state) => allTools(client, { approval: state, q: search, ...(flagged === true && { flagged: "true" }) })),
  );
  printList(found.flat(), output, [
    ["SERVER", (tool) => tool.serverName],
    ["TOOL", (tool) => tool.name],
    ["APPROVAL", standingOf],
    ["EFFECT", (tool) => tool.effect],
    ["FINDINGS", (tool) => (tool.findings.length === 0 ? "" : tool.findings.length)],
    ["DESCRIPTION", (tool) => shortened(tool.description, 70)],
  ]);
}

const standingOf = ({ approval, isFlagged, isEnabled }: Tool): string =>
  [approval, ...(isFlagged ? ["flagged"] : []), ...(isEnabled ? [] : ["disabled"])].join(", ");

const UNDECIDED = ["pending", "changed"] as const;

export async function showDiff(
  client: Client,
  name: string,
  { output, ...sides }: { from?: string; to?: string; output: Format },
): Promise<void> {
  const { id } = await toolNamed(client, name);
  const diff = await client.getToolDiff({ params: { id }, query: sides });
  if (output === "table") printDiff(diff);
  else printDocument(diff, output);
}

function printDiff({ tool, from, to, changes, workflows, waiting }: ToolDiff): void {
  const compared = `${from === null ? "nothing was approved" : short(from.hash)} → ${short(to.hash)}`;
  say(printable(`${tool.serverName}/${tool.name} is ${standingOf(tool)}: ${compared}`));
  for (const change of changes) say(changeText(change));
  if (changes.length === 0) say("Nothing differs.");
  for (const finding of to.findings) say(pc.yellow(`! ${printable(finding)}`));
  for (const { name, version, isNewest, nodes, liveRuns } of workflows) {
    const where = nodes.map((node) => node.label ?? node.id).join(", ");
    say(printable(`used by ${name} version ${version}${isNewest ? "" : " (older)"} in ${where}; ${liveRuns} live runs`));
  }
  for (const { runId, nodeId, scope } of waiting) say(printable(`run ${runId} waits at ${nodeId}${scope === "" ? "" : ` (${scope})`}`));
}

/** As much of a hash as `diff` shows, and as names one. */
const SHORT = 12;
const short = (hash: string): string => hash.slice(0, SHORT);

/** The tool as somebody has seen it, if they say so by its hash. */
async function toolSeen(client: Client, name: string, hash: string | undefined): Promise<Tool> {
  const tool = await toolNamed(client, name);
  if (hash === undefined || (hash.length >= SHORT && tool.hash.startsWith(hash))) return tool;
  if (hash.length < SHORT) throw new Error(`Expected at least the first ${SHORT} digits of a hash, got ${hash.length}.`);
  throw new Error(
    `The server lists another definition of ${name} by now: ${short(tool.hash)}. \`auterity mcp diff ${name}\` shows what differs.`,
  );
}

function changeText({ path, kind, before, after, text }: DefinitionChange): string {
  const at = printable(path);
  if (kind === "added") return pc.green(`+ ${at}: ${printable(JSON.stringify(after))}`);
  if (kind === "removed") return pc.red(`- ${at}: ${printable(JSON.stringify(before))}`);
  if (text === undefined) return `~ ${at}: ${pc.red(printable(JSON.stringify(before)))} → ${pc.green(printable(JSON.stringify(after)))}`;
  const mark = {
    same: (part: string) => part,
    removed: (part: string) => pc.red(`[-${part}-]`),
    added: (part: string) => pc.green(`{+${part}+}`),
  };
  return `~ ${at}: ${text.map((part) => mark[part.kind](printable(part.text))).join("")}`;
}

type Approving = { all?: boolean; server?: string; hash?: string; effect?: Effect; acceptFindings?: boolean; output: Format };
type Refusing = { reason: string; output: Format };

/** One tool, or all that wait for a decision: what is approved is exactly what has been listed when the command looked. */
export async function approveTools(client: Client, name: string | undefined, options: Approving): Promise<number> {
  if ((name === undefined) !== (options.all === true)) throw new Error("Expected either server/tool or --all.");
  const { effect, acceptFindings = false, hash, output } = options;
  if (name === undefined && hash !== undefined) throw new Error("Expected --hash with one server/tool, not with --all.");
  const tools = name === undefined ? await undecided(client, options.server) : [await toolSeen(client, name, hash)];
  return decideEach(tools, output, (batch) =>
    client.approveTools({ body: { tools: batch.map(({ id, hash }) => ({ id, hash, ...(effect && { effect }) })), acceptFindings } }),
  );
}

export async function rejectTool(client: Client, name: string, { reason, hash, output }: Refusing & { hash?: string }): Promise<number> {
  return decideEach([await toolSeen(client, name, hash)], output, (batch) =>
    client.rejectTools({ body: { tools: batch.map(({ id, hash }) => ({ id, hash })), reason } }),
  );
}

export async function disableTool(client: Client, name: string, { reason, output }: Refusing): Promise<void> {
  const { id } = await toolNamed(client, name);
  const after = await client.disableTool({ params: { id }, body: { reason } });
  notice(`${name} is disabled.`);
  if (output !== "table") printDocument(after, output);
}

export async function enableTool(client: Client, name: string, output: Format): Promise<void> {
  const { id, hash } = await toolNamed(client, name);
  const after = await client.enableTool({ params: { id }, body: { hash } });
  notice(`${name} is enabled and ${after.approval}.`);
  if (output !== "table") printDocument(after, output);
}

async function undecided(client: Client, server: string | undefined): Promise<Tool[]> {
  const only = server === undefined ? undefined : (await serverNamed(client, server)).id;
  const found = await Promise.all(UNDECIDED.map((approval) => allTools(client, { approval })));
  return found.flat().filter((tool) => only === undefined || tool.serverId === only);
}

const DECIDED_AT_ONCE = 200;

type Decide = (batch: readonly Tool[]) => ReturnType<Client["approveTools"]>;

/** Resolves with the exit code: 1 when one of them was refused. */
async function decideEach(tools: readonly Tool[], output: Format, decide: Decide): Promise<number> {
  const all: Decided = { items: [], refused: [] };
  for (let at = 0; at < tools.length; at += DECIDED_AT_ONCE) {
    const { items, refused } = await decide(tools.slice(at, at + DECIDED_AT_ONCE));
    all.items.push(...items);
    all.refused.push(...refused);
  }
  for (const { id, message, remedy } of all.refused) {
    const tool = tools.find((candidate) => candidate.id === id);
    notice(printable(`${tool?.serverName}/${tool?.name}: ${message} ${remedy}`));
  }
  if (tools.length === 0) notice("Nothing waits for a decision.");
  if (output !== "table") printDocument(all, output);
  else for (const one of all.items) say(printable(`${one.serverName}/${one.name} is ${one.approval}; effect ${one.effect}.`));
  return all.refused.length === 0 ? 0 : 1;
}

/** `name` is `server/tool`; the server may also be named by its id. */
export async function toolNamed(client: Client, name: string): Promise<Tool> {
  const [server = "", ...rest] = name.split("/");
  if (rest.length === 0) throw new Error(`Expected server/tool; got ${name}.`);
  const { id } = await serverNamed(client, server);
  const { items } = await client.listServerTools({ params: { id } });
  const tool = items.find((candidate) => candidate.name === rest.join("/"));
  if (!tool) throw new Error(`There is no tool ${name}; \`auterity mcp tools\` lists them as SERVER and TOOL.`);
  return tool;
}

async function allTools(
  client: Client,
  query: { approval?: Tool["approval"] | undefined; q?: string | undefined; flagged?: string },
): Promise<Tool[]> {
  const tools: Tool[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Awaited<ReturnType<Client["listTools"]>> = await client.listTools({
      query: { limit: 200, ...query, ...(cursor && { cursor }) },
    });
    tools.push(...page.items);
    cursor = page.nextCursor;
  }
  return tools;
}
