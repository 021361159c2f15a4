import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Permission } from "#contract/permissions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { toJson } from "../connection/json-value.ts";
import { askServer } from "../protocol/request.ts";
import type { OfferUseCases } from "../protocol/use-offers.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { InvokeTool } from "./invoke-tool.ts";
import { IDEMPOTENCY_META } from "./meta-keys.ts";

export type ReplayPorts = { invoke: InvokeTool; offers: OfferUseCases };

/** Where it is sent, for whom, and how long they wait. `key` is the idempotency key of a call that may do something. */
export type Sending = { caller: Caller; server: SupervisedServer; key: string; timeoutMs: number; signal: AbortSignal };

type Prepared = { /** For the trail. */ about: Record<string, string>; send: (ports: ReplayPorts, sending: Sending) => Promise<Json> };

type Replayable = {
  /** What the same needs without a frame. */
  permission: Permission;
  /** Undefined when the frame's parameters are not those of such a request. */
  prepare(params: unknown): Prepared | undefined;
};

type Way<T> = { about?: (params: T) => Record<string, string>; send: (params: T, ports: ReplayPorts, sending: Sending) => Promise<Json> };

function replayable<T>(permission: Permission, schema: z.ZodType<T>, { about = () => ({}), send }: Way<T>): Replayable {
  return {
    permission,
    prepare: (given) => {
      const params = schema.safeParse(given);
      if (!params.success) return undefined;
      return { about: about(params.data), send: (ports, sending) => send(params.data, ports, sending) };
    },
  };
}

const at = ({ caller, server, signal }: Sending) => ({ caller, id: server.record.id, signal });
const asking = ({ caller, timeoutMs, signal }: Sending) => ({ sessionKey: caller.ref, timeoutMs, signal });

/** One page, as the server answers it. */
const page = (method: string): Replayable =>
  replayable("tool:read", z.object({ cursor: z.string().optional() }).default({}), {
    send: async ({ cursor }, _ports, sending) => {
      const params = cursor === undefined ? {} : { cursor };
      return toJson(
        await askServer(sending.server, asking(sending), (connection, options) => connection.request({ ...options, method, params })),
      );
    },
  });

const Text = z.string();
const Texts = z.record(z.string(), Text);
const Reference = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ref/prompt"), name: Text }).transform(({ name }) => ({ type: "prompt" as const, name })),
  z.object({ type: z.literal("ref/resource"), uri: Text }).transform(({ uri }) => ({ type: "resource" as const, uriTemplate: uri })),
]);

/**
 * The requests that are sent again, by their methods. Nothing of the old one is used but what is named here: everything else belonged
 * to its own conversation. What begins or ends something between the two sides is not among them.
 */
export const REPLAYABLE: ReadonlyMap<string, Replayable> = new Map([
  [
    "tools/call",
    replayable("tool:call", z.object({ name: Text, arguments: z.record(z.string(), Json).default({}) }), {
      about: ({ name: tool }) => ({ tool }),
      send: ({ name: tool, arguments: args }, { invoke }, { caller, server, key, timeoutMs, signal }) =>
        invoke({ server, tool, arguments: args, meta: { [IDEMPOTENCY_META]: key }, timeoutMs, signal, actor: caller.ref }),
    }),
  ],
  [
    "resources/read",
    replayable("tool:call", z.object({ uri: Text }), {
      about: ({ uri }) => ({ uri }),
      send: ({ uri }, { offers }, sending) => offers.read(at(sending), { uri, timeoutMs: sending.timeoutMs }),
    }),
  ],
  [
    "prompts/get",
    replayable("tool:call", z.object({ name: Text, arguments: Texts.default({}) }), {
      about: ({ name: prompt }) => ({ prompt }),
      send: (prompt, { offers }, sending) => offers.prompt(at(sending), { ...prompt, timeoutMs: sending.timeoutMs }),
    }),
  ],
  [
    "completion/complete",
    replayable(
      "tool:call",
      z.object({
        ref: Reference,
        argument: z.object({ name: Text, value: Text }),
        context: z.object({ arguments: Texts.optional() }).optional(),
      }),
      {
        send: ({ ref, argument, context }, { offers }, sending) =>
          offers.complete(at(sending), { ref, argument, context: context?.arguments, timeoutMs: sending.timeoutMs }),
      },
    ),
  ],
  ...["tools/list", "resources/list", "resources/templates/list", "prompts/list"].map((method) => [method, page(method)] as const),
  [
    "ping",
    replayable("mcp_server:control", z.unknown(), {
      send: async (_params, _ports, sending) => {
        await askServer(sending.server, asking(sending), (connection, options) => connection.ping(options));
        return {};
      },
    }),
  ],
]);
