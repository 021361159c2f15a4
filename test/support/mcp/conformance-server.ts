/** What the official conformance suites expect a server to offer, in both eras, made with the SDK: over HTTP on loopback. */
import { randomBytes, randomUUID } from "node:crypto";
import {
  McpServer,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
  completable,
  createMcpHandler,
  createRequestStateCodec,
  hostHeaderValidationResponse,
  inputRequired,
  inputResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
  type EventStore,
  type JSONRPCMessage,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { PNG, addConformanceTools, type Around } from "./conformance-tools.ts";
import { httpServer, type HttpFixture } from "./modern-server.ts";

const message = (content: object) => ({ role: "user" as const, content: content as { type: "text"; text: string } });
const words = (text: string) => message({ type: "text", text });

function addPrompts(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "A simple prompt" }, () => ({
    messages: [words("This is a simple prompt for testing.")],
  }));
  const argument = completable(z.string(), (value) => ["paris", "park", "party"].filter((each) => each.startsWith(value)));
  server.registerPrompt(
    "test_prompt_with_arguments",
    { description: "A prompt with arguments", argsSchema: z.object({ arg1: argument, arg2: z.string() }) },
    ({ arg1, arg2 }) => ({ messages: [words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "A prompt with a resource", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => ({
      messages: [
        message({ type: "resource", resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." } }),
        words("Please process the embedded resource above."),
      ],
    }),
  );
  server.registerPrompt("test_prompt_with_image", { description: "A prompt with an image" }, () => ({
    messages: [message({ type: "image", data: PNG, mimeType: "image/png" }), words("Please analyze the image above.")],
  }));
  server.registerPrompt("test_input_required_result_prompt", { description: "A prompt that asks first" }, (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "user_context");
    if (answer.kind === "elicit") return { messages: [words(`Context: ${JSON.stringify(answer.content)}`)] };
    const requestedSchema = { type: "object" as const, properties: { context: { type: "string" as const } }, required: ["context"] };
    return inputRequired({
      inputRequests: { user_context: inputRequired.elicit({ message: "What context should the prompt use?", requestedSchema }) },
    });
  });
}

function addResources(server: McpServer): void {
  const textual = { description: "Text that never changes", mimeType: "text/plain" };
  server.registerResource("static-text", "test://static-text", textual, ({ href: uri }) => ({
    contents: [{ uri, mimeType: "text/plain", text: "This is the content of the static text resource." }],
  }));
  const binary = { description: "An image that never changes", mimeType: "image/png" };
  server.registerResource("static-binary", "test://static-binary", binary, ({ href: uri }) => ({
    contents: [{ uri, mimeType: "image/png", blob: PNG }],
  }));
  server.registerResource("watched", "test://watched-resource", { ...textual, description: "Can be watched" }, ({ href: uri }) => ({
    contents: [{ uri, mimeType: "text/plain", text: "Watched resource content" }],
  }));
  const template = new ResourceTemplate("test://template/{id}/data", { list: undefined });
  const made = { description: "Data by id", mimeType: "application/json" };
  server.registerResource("template", template, made, ({ href: uri }, { id }) => ({
    contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }) }],
  }));
}

function newServer(around: Around): McpServer {
  const server = new McpServer(
    { name: "conformance", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: around.state.verify },
    },
  );
  addConformanceTools(server, around);
  addPrompts(server);
  addResources(server);
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
  return server;
}

/** Events of all streams of a session, so that a client may come back for what it has missed. */
function eventStore(): EventStore {
  const events: { id: string; streamId: string; message: JSONRPCMessage }[] = [];
  return {
    storeEvent: async (streamId, stored) => {
      const id = String(events.length);
      events.push({ id, streamId, message: stored });
      return id;
    },
    replayEventsAfter: async (lastId, { send }) => {
      const last = events[Number(lastId)];
      for (const event of events.slice(Number(lastId) + 1)) {
        if (event.streamId === last?.streamId && Object.keys(event.message).length > 0) await send(event.id, event.message);
      }
      return last?.streamId ?? "";
    },
  };
}

/** Sessions of the 2025 era. */
function stateful(around: Around): (request: Request) => Promise<Response> {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  return async (request) => {
    const known = sessions.get(request.headers.get("mcp-session-id") ?? "");
    if (known) return known.handleRequest(request);
    if (request.headers.has("mcp-session-id")) return new Response("no such session", { status: 404 });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: eventStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const server = newServer({
      ...around,
      toolsChanged: () => server.sendToolListChanged(),
      promptsChanged: () => server.sendPromptListChanged(),
    });
    await server.connect(transport);
    return transport.handleRequest(request);
  };
}

/** `/mcp` speaks both eras, `/mcp?era=2025` only the older one. */
export function conformanceServer(): Promise<HttpFixture> {
  const around: Around = {
    state: createRequestStateCodec({ key: randomBytes(32) }),
    toolsChanged: () => modern.notify.toolsChanged(),
    promptsChanged: () => modern.notify.promptsChanged(),
  };
  const modern = createMcpHandler(() => newServer(around), { legacy: "reject" });
  const legacy = stateful(around);
  const answer = async (request: Request): Promise<Response> => {
    const refused =
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ?? originValidationResponse(request, localhostAllowedOrigins());
    if (refused) return refused;
    return request.url.endsWith("?era=2025") || (await isLegacyRequest(request)) ? legacy(request) : modern.fetch(request);
  };
  return httpServer(async (incoming, outgoing) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method = "GET", headers: sent, url = "/" } = incoming;
    const headers = Object.entries(sent).map(([name, value]): [string, string] => [name, String(value)]);
    const body = method === "POST" ? Buffer.concat(chunks) : null;
    const gone = new AbortController();
    outgoing.once("close", () => gone.abort());
    const response = await answer(new Request(`http://${sent.host ?? "none"}${url}`, { method, headers, body, signal: gone.signal }));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.flushHeaders();
    const reader = response.body?.getReader();
    outgoing.once("close", () => void reader?.cancel().catch(() => {}));
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) outgoing.write(part.value);
    outgoing.end();
  });
}

if (process.argv[1]?.endsWith("conformance-server.ts")) process.stdout.write(`${(await conformanceServer()).url}\n`);
