/**
 * A stdio MCP server of the 2025 era whose tools break the protocol when they answer, each in its own way; its listing is in order. It
 * uses no SDK, so that it can write any bytes. To try a setup of your own, register it like any other server:
 *
 *   node test/support/mcp/chaos-server.ts
 *
 * `echo` (read-only) and `count` (read-only, counts its calls) behave, `slow` takes `ms`; all others do what their name says.
 */
import { createInterface } from "node:readline";
import { BROKEN_ANSWERS, ENDLESS_MEBIBYTES, text, type Id } from "./broken-answers.ts";

type Message = { id?: Id; method?: string; params?: { name?: string; arguments?: Record<string, unknown>; requestId?: Id } };

const raw = (bytes: string | Buffer): void => void process.stdout.write(bytes);
const line = (message: object): void => raw(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

let calls = 0;
const hanging = new Set<Id>();

/** What is wrong with the bytes of an answer. */
const BYTES: Record<string, (id: Id) => void> = {
  ...Object.fromEntries(
    Object.entries(BROKEN_ANSWERS).map(([name, broken]) => [
      name,
      (id: Id): void => {
        raw(broken(id));
        raw("\n");
      },
    ]),
  ),
  endless_line: () => {
    const part = Buffer.alloc(1024 * 1024, "x");
    for (let i = 0; i < ENDLESS_MEBIBYTES; i += 1) raw(part);
  },
};

const flood = (method: string) => (id: Id) => {
  const notification = `${JSON.stringify({ jsonrpc: "2.0", method, params: { progressToken: 1, progress: 1 } })}\n`;
  const part = notification.repeat(2_000);
  let left = 500;
  const more = (): void => {
    while (left > 0) {
      left -= 1;
      if (!process.stdout.write(part)) return void process.stdout.once("drain", more);
    }
    line({ id, result: text("ok") });
  };
  more();
};

/** What is wrong with what is said. */
const SAYINGS: Record<string, (id: Id, args: Record<string, unknown>) => void> = {
  echo: (id, args) => line({ id, result: text(JSON.stringify(args)) }),
  count: (id) => line({ id, result: text(String((calls += 1))) }),
  slow: (id, { ms }) => void setTimeout(() => line({ id, result: text("slept") }), Number(ms)),
  hang: (id) => void hanging.add(id),
  late: (id, { ms }) => void setTimeout(() => line({ id, result: text("too late") }), Number(ms)),
  progress_for_ever: (id) => {
    hanging.add(id);
    const timer = setInterval(() => {
      if (!hanging.has(id)) return clearInterval(timer);
      line({ method: "notifications/progress", params: { progressToken: id, progress: Date.now() } });
    }, 10);
  },
  flood_of_progress: flood("notifications/progress"),
  flood_of_list_changed: flood("notifications/tools/list_changed"),
  wrong_structure: (id) => line({ id, result: { ...text("no"), structuredContent: { sum: "three" } } }),
  no_structure: (id) => line({ id, result: text("no") }),
  right_structure: (id) => line({ id, result: { ...text("yes"), structuredContent: { sum: 3 } } }),
  leaks: (id) => line({ id, result: { ...text(`Error: at /srv/app.js:1\n  token=${process.env["TOKEN"]}`), isError: true } }),
  answers_twice: (id) => {
    line({ id, result: text("ok") });
    line({ id, result: text("again") });
  },
};

/** Schemas that are expensive, or refer to what is not theirs. */
function schemas(): Record<string, object> {
  const bomb: Record<string, object> = { d0: { type: "object" } };
  for (let i = 1; i < 40; i += 1) bomb[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] };
  return {
    ref_http: { type: "object", properties: { a: { $ref: "http://127.0.0.1:9/schema.json" } } },
    ref_file: { type: "object", properties: { a: { $ref: "file:///etc/passwd" } } },
    ref_itself: { type: "object", allOf: [{ $ref: "#" }] },
    ref_bomb: { type: "object", $defs: bomb, $ref: "#/$defs/d39" },
    any_of_many: { type: "object", properties: { a: { anyOf: Array.from({ length: 2_000 }, (_, i) => ({ const: i })) } } },
    slow_pattern: { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } },
    long_text: { type: "object", properties: { a: { type: "string", maxLength: 1e9 } } },
    tiny_multiple: { type: "object", properties: { a: { type: "number", multipleOf: 1e-300 } } },
    recursive: { type: "object", properties: { next: { $ref: "#" }, a: {} }, additionalProperties: false },
  };
}

const anything = { type: "object" };
const sum = { type: "object", properties: { sum: { type: "number" } }, required: ["sum"] };
const readOnly = { annotations: { readOnlyHint: true } };
const HARMLESS = new Set(["echo", "count", "slow", "hang"]);

const tools = (): object[] => [
  ...Object.keys(BYTES).map((name) => ({ name, inputSchema: anything, ...readOnly })),
  ...Object.keys(SAYINGS).map((name) => ({
    name,
    inputSchema: anything,
    ...(name.endsWith("_structure") && { outputSchema: sum }),
    ...(HARMLESS.has(name) && readOnly),
  })),
  ...Object.entries(schemas()).map(([name, inputSchema]) => ({ name, inputSchema, ...readOnly })),
];

function answer({ id, method, params }: Message): void {
  if (method === "notifications/cancelled" && params?.requestId !== undefined) {
    hanging.delete(params.requestId);
    process.stderr.write(`cancelled ${params.requestId}\n`);
  }
  if (id === undefined) return;
  if (method === "initialize") {
    const serverInfo = { name: "chaos", version: "1.0.0" };
    return line({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } }, serverInfo } });
  }
  if (method === "tools/list") return line({ id, result: { tools: tools() } });
  if (method === "ping") return line({ id, result: {} });
  if (method !== "tools/call") return line({ id, error: { code: -32_601, message: "Method not found" } });
  const name = params?.name ?? "";
  const args = params?.arguments ?? {};
  if (BYTES[name]) return BYTES[name](id);
  const say = SAYINGS[name] ?? (name in schemas() ? SAYINGS["echo"] : undefined);
  if (say) return say(id, args);
  line({ id, error: { code: -32_602, message: "Unknown tool" } });
}

createInterface({ input: process.stdin }).on("line", (received) => {
  const message: unknown = JSON.parse(received);
  if (typeof message === "object" && message !== null) answer(message);
});
