/**
 * A server that offers everything which the protocol has, and asks its client for everything that one may offer. Made once with
 * the SDK, it speaks both eras; over stdio when run, over HTTP by `talkativeHttpServer`.
 */
import {
  McpServer,
  ResourceTemplate,
  acceptedContent,
  completable,
  inputRequired,
  type CallToolResult,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

const text = (value: string): CallToolResult => ({ content: [{ type: "text", text: value }] });
const FORM = z.object({ name: z.string().describe("Who you are"), age: z.number().int().min(0) });
const names = ["anna", "bert", "carla"];
const hint = { annotations: { readOnlyHint: true } };

export function talkativeServer(): McpServer {
  const server = new McpServer({ name: "talkative", version: "3.0.0" }, { capabilities: { logging: {}, resources: { subscribe: true } } });
  addTools(server);
  addQuestions(server);
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
  let note = "sun";
  server.registerResource("today", "notes://today", { description: "The note of the day", mimeType: "text/plain" }, ({ href }) => ({
    contents: [{ uri: href, mimeType: "text/plain", text: note }],
  }));
  server.registerResource(
    "of",
    new ResourceTemplate("notes://of/{who}", {
      list: undefined,
      complete: { who: (start) => names.filter((name) => name.startsWith(start)) },
    }),
    { description: "Somebody's note" },
    ({ href }, { who }) => ({ contents: [{ uri: href, text: `note of ${String(who)}` }] }),
  );
  server.registerResource("slow", "notes://slow", { description: "A note that takes its time" }, async ({ href }) => {
    await sleep(1_000);
    return { contents: [{ uri: href, text: "at last" }] };
  });
  server.registerTool("write", { description: "Changes the note.", inputSchema: z.object({ note: z.string() }) }, async (args) => {
    note = args.note;
    await server.server.sendResourceUpdated({ uri: "notes://today" });
    return text("written");
  });
  server.registerTool("grow", { description: "Adds a prompt and a resource." }, () => {
    server.registerPrompt("added", { description: "Was not here before" }, () => ({ messages: [] }));
    server.registerResource("tomorrow", "notes://tomorrow", {}, ({ href }) => ({ contents: [{ uri: href, text: "?" }] }));
    return text("grown");
  });
  const argsSchema = z.object({ who: completable(z.string(), (start) => names.filter((name) => name.startsWith(start))) });
  server.registerPrompt("greet", { title: "Greet", description: "Greets somebody", argsSchema }, ({ who }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${who}` } }],
  }));
  return server;
}

function addTools(server: McpServer): void {
  const steps = z.object({ steps: z.number(), everyMs: z.number() });
  server.registerTool("count", { description: "Counts, telling its progress.", inputSchema: steps, ...hint }, (args, context) =>
    count(args, context),
  );
  server.registerTool("pair", { description: "Two numbers.", outputSchema: z.array(z.number()), ...hint }, () => ({
    ...text("1 and 2"),
    structuredContent: [1, 2],
  }));
  server.registerTool(
    "log",
    { description: "Logs.", inputSchema: z.object({ lines: z.number() }), ...hint },
    async ({ lines }, context) => {
      for (let line = 0; line < lines; line += 1) await context.mcpReq.log("warning", `line ${line}`, "talk");
      return text("logged");
    },
  );
}

async function count({ steps, everyMs }: { steps: number; everyMs: number }, { mcpReq }: ServerContext): Promise<CallToolResult> {
  const progressToken = mcpReq._meta?.progressToken;
  for (let step = 1; step <= steps && !mcpReq.signal.aborted; step += 1) {
    await sleep(everyMs);
    if (progressToken === undefined) continue;
    const params = { progressToken, progress: step, total: steps, message: `step ${step}` };
    await mcpReq.notify({ method: "notifications/progress", params });
  }
  return text(mcpReq.signal.aborted ? "cancelled" : `counted to ${steps}`);
}

/** Each question is asked until it is answered: in the 2026 era the call is made again with the answer. */
function addQuestions(server: McpServer): void {
  server.registerTool("introduce", { description: "Asks who you are.", ...hint }, ({ mcpReq }) => {
    const answer = mcpReq.inputResponses?.["who"];
    if (answer === undefined)
      return inputRequired({ inputRequests: { who: inputRequired.elicit({ message: "Who are you?", requestedSchema: FORM }) } });
    const told = acceptedContent(mcpReq.inputResponses, "who", FORM);
    return text(told === undefined ? "You did not say." : `You are ${told.name}, ${told.age}.`);
  });
  server.registerTool("login", { description: "Asks for a password." }, ({ mcpReq }) => {
    const requestedSchema = z.object({ password: z.string() });
    if (mcpReq.inputResponses?.["pw"] !== undefined) return text("got a password");
    return inputRequired({ inputRequests: { pw: inputRequired.elicit({ message: "Log in", requestedSchema }) } });
  });
  server.registerTool(
    "visit",
    { description: "Sends you somewhere.", inputSchema: z.object({ url: z.string() }) },
    ({ url }, { mcpReq }) => {
      const visited = mcpReq.inputResponses?.["visit"];
      if (visited !== undefined) return text(`visited: ${JSON.stringify(visited)}`);
      return inputRequired({ inputRequests: { visit: inputRequired.elicitUrl({ message: "Please visit", url }) } });
    },
  );
  server.registerTool("think", { description: "Asks a model.", inputSchema: z.object({ about: z.string() }) }, ({ about }, { mcpReq }) => {
    const thought = mcpReq.inputResponses?.["thought"];
    if (thought !== undefined) return text(JSON.stringify(thought));
    const messages = [{ role: "user" as const, content: { type: "text" as const, text: about } }];
    return inputRequired({ inputRequests: { thought: inputRequired.createMessage({ messages, maxTokens: 50 }) } });
  });
  server.registerTool("whereabouts", { description: "Asks for the roots." }, ({ mcpReq }) => {
    const roots = mcpReq.inputResponses?.["roots"];
    return roots === undefined ? inputRequired({ inputRequests: { roots: inputRequired.listRoots() } }) : text(JSON.stringify(roots));
  });
}

if (process.argv[1]?.endsWith("talkative-server.ts")) serveStdio(talkativeServer);
