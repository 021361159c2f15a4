import { request } from "node:http";
import { Client, StreamableHTTPClientTransport, type ClientOptions } from "@modelcontextprotocol/client";

export const ERAS = ["2025-11-25", "2026-07-28"] as const;
export type Era = (typeof ERAS)[number];

export type Target = { url: string; token: string };

/** The SDK's client at an endpoint of the gateway. */
export async function gatewayClient(
  { url, token }: Target,
  era: Era,
  { prepare, ...options }: ClientOptions & { prepare?: (client: Client) => void } = {},
): Promise<Client> {
  const mode = era === "2025-11-25" ? ("legacy" as const) : ("auto" as const);
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode }, ...options });
  prepare?.(client);
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

export type Raw = { method?: string; headers?: Record<string, string | undefined>; body?: string };
export type RawAnswer = { status: number; headers: Record<string, unknown>; text: string };

const PLAIN = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/** One request as it is written here; headers without a value are left out. */
export function raw({ url, token }: Target, { method = "POST", headers = {}, body }: Raw): Promise<RawAnswer> {
  const all = Object.entries({ ...PLAIN, authorization: `Bearer ${token}`, ...headers }).filter(([, value]) => value !== undefined);
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: Object.fromEntries(all) as Record<string, string> }, (answer) => {
      let text = "";
      answer.on("data", (data: Buffer) => (text += data.toString()));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export const rpc = (message: object): string => JSON.stringify({ jsonrpc: "2.0", ...message });

const initialize = (capabilities: object): string =>
  rpc({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "raw", version: "1" } },
  });
export const INITIALIZE = initialize({});

/** A session by hand: the headers that it goes on with. */
export async function rawSession(target: Target, capabilities: object = {}): Promise<Record<string, string>> {
  const { headers } = await raw(target, { body: initialize(capabilities) });
  const session = { "mcp-session-id": String(headers["mcp-session-id"]), "mcp-protocol-version": "2025-11-25" };
  await raw(target, { headers: session, body: rpc({ method: "notifications/initialized" }) });
  return session;
}
