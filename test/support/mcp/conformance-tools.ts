import { setTimeout as sleep } from "node:timers/promises";
import {
  CLIENT_CAPABILITIES_META_KEY,
  acceptedContent,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  type CallToolResult,
  type InputRequiredResult,
  type InputRequiredSpec,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";

/** One red pixel. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";
/** A recording of nothing. */
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

type Result = CallToolResult | InputRequiredResult;
type Args = Record<string, unknown>;
type Run = (args: Args, ctx: ServerContext) => Result | Promise<Result>;
type Tool = { description: string; input?: Record<string, unknown>; run: Run };

/** What the tools need of the server around them. */
export type Around = {
  state: RequestStateCodec<{ step: string }>;
  toolsChanged: () => void;
  promptsChanged: () => void;
};

const text = (value: string): CallToolResult => ({ content: [{ type: "text", text: value }] });
const object = (properties: Record<string, unknown>, required: string[] = Object.keys(properties)) => ({
  type: "object" as const,
  properties,
  required,
});
const string = { type: "string" };

/** What a person answered, or the question again. */
function asking(key: string, spec: Parameters<typeof inputRequired.elicit>[0], then: (action: string, content: Args) => Result): Run {
  return (_args, { mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, key);
    return answer.kind === "elicit"
      ? then(answer.action, answer.content ?? {})
      : inputRequired({ inputRequests: { [key]: inputRequired.elicit(spec) } });
  };
}

const form = (message: string, requestedSchema: unknown) => ({ message, requestedSchema }) as Parameters<typeof inputRequired.elicit>[0];
const completed = (action: string, content: Args): Result =>
  text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`);

/** As text: a member named `then` makes an object look like a promise to tools. */
const CONDITIONS: Args = JSON.parse(
  '{"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},"then":{"required":["phone"]},"else":{"required":["email"]}}',
);

const plain: Record<string, Tool> = {
  test_simple_text: { description: "Answers with text", run: () => text("This is a simple text response for testing.") },
  test_image_content: {
    description: "Answers with an image",
    run: () => ({ content: [{ type: "image", data: PNG, mimeType: "image/png" }] }),
  },
  test_audio_content: {
    description: "Answers with sound",
    run: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }),
  },
  test_embedded_resource: {
    description: "Answers with a resource",
    run: () => ({
      content: [
        {
          type: "resource",
          resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." },
        },
      ],
    }),
  },
  test_multiple_content_types: {
    description: "Answers with text, an image and a resource",
    run: () => ({
      content: [
        { type: "text", text: "Multiple content types test:" },
        { type: "image", data: PNG, mimeType: "image/png" },
        {
          type: "resource",
          resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' },
        },
      ],
    }),
  },
  test_error_handling: {
    description: "Fails",
    run: () => ({ isError: true, content: [{ type: "text", text: "This tool intentionally returns an error for testing" }] }),
  },
  json_schema_2020_12_tool: {
    description: "Tool with JSON Schema 2020-12 features",
    input: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: string, city: string } } },
      properties: {
        name: string,
        address: { $ref: "#/$defs/address" },
        contactMethod: { type: "string", enum: ["phone", "email"] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
      ...CONDITIONS,
      additionalProperties: false,
    },
    run: () => text("ok"),
  },
  test_x_mcp_header: {
    description: "Has a parameter that is mirrored into a header",
    input: object({ region: { type: "string", "x-mcp-header": "Region" } }),
    run: ({ region }) => text(String(region)),
  },
};

const telling: Record<string, Tool> = {
  test_tool_with_logging: {
    description: "Logs while it works",
    run: async (_args, { mcpReq }) => {
      for (const line of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await mcpReq.log("info", line);
        await sleep(50);
      }
      return text("Tool with logging executed successfully");
    },
  },
  test_logging_tool: {
    description: "Logs, if that is wanted",
    run: async (_args, { mcpReq }) => {
      await mcpReq.log("info", "a line");
      return text("logged");
    },
  },
  test_tool_with_progress: {
    description: "Tells how far it is",
    run: async (_args, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
        }
        await sleep(50);
      }
      return text("done");
    },
  },
  test_reconnection: {
    description: "Closes its stream while it works",
    run: async (_args, { http }) => {
      http?.closeSSE?.();
      await sleep(100);
      return text("Reconnection test completed successfully.");
    },
  },
};

const PERSON = object({
  username: { type: "string", description: "User's response" },
  email: { type: "string", description: "User's email address" },
});

const DEFAULTS = object(
  {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  [],
);

const titled = (values: string[], titles: string[]) => values.map((value, i) => ({ const: value, title: titles[i] }));
const VALUES = ["value1", "value2", "value3"];
const ENUMS = object(
  {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: titled(VALUES, ["First Option", "Second Option", "Third Option"]) },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: { type: "array", items: { anyOf: titled(VALUES, ["First Choice", "Second Choice", "Third Choice"]) } },
  },
  [],
);

const NAME = form("What is your name?", object({ name: string }));
const CONFIRM = form("Please confirm", object({ ok: { type: "boolean" } }));
const said = (words: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: words } }], maxTokens });

const answeredWith = (ctx: ServerContext, key: string, kind: string): boolean =>
  inputResponse(ctx.mcpReq.inputResponses, key).kind === kind;

const asked: Record<string, Tool> = {
  test_elicitation: {
    description: "Asks a person",
    input: object({ message: string }),
    run: ({ message }, ctx) =>
      asking("user", form(String(message), PERSON), (action, content) =>
        text(`User response: action: ${action}, content: ${JSON.stringify(content)}`),
      )({}, ctx),
  },
  test_elicitation_sep1034_defaults: { description: "Asks with defaults", run: asking("user", form("Please review", DEFAULTS), completed) },
  test_elicitation_sep1330_enums: { description: "Asks with choices", run: asking("user", form("Please choose", ENUMS), completed) },
  test_streaming_elicitation: { description: "Asks a person", run: asking("user_name", NAME, completed) },
  test_input_required_result_elicitation: {
    description: "Asks for a name",
    run: asking("user_name", NAME, (_action, { name }) => text(`Hello, ${String(name)}!`)),
  },
  test_sampling: {
    description: "Asks a model",
    input: object({ prompt: string }),
    run: ({ prompt }, { mcpReq }) => {
      const answer = inputResponse(mcpReq.inputResponses, "model");
      if (answer.kind !== "sampling") return inputRequired({ inputRequests: { model: said(String(prompt), 100) } });
      const { content } = answer.result;
      return text(`LLM response: ${"text" in content ? content.text : JSON.stringify(content)}`);
    },
  },
  test_input_required_result_sampling: {
    description: "Asks a model for a capital",
    run: (_args, ctx) =>
      answeredWith(ctx, "capital_question", "sampling")
        ? text("Thank you.")
        : inputRequired({ inputRequests: { capital_question: said("What is the capital of France?", 100) } }),
  },
  test_missing_capability: {
    description: "Needs a model",
    run: (_args, ctx) =>
      answeredWith(ctx, "model", "sampling") ? text("Thank you.") : inputRequired({ inputRequests: { model: said("Say something", 10) } }),
  },
  test_input_required_result_list_roots: {
    description: "Asks for the roots",
    run: (_args, { mcpReq }) => {
      const answer = inputResponse(mcpReq.inputResponses, "client_roots");
      if (answer.kind !== "roots") return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
      return text(answer.roots.map(({ uri }) => uri).join(" "));
    },
  },
  test_input_required_result_capabilities: {
    description: "Asks for what the client can answer",
    run: (_args, { mcpReq }) => {
      const envelope: Args = { ...mcpReq.envelope };
      const can: Args = { ...(envelope[CLIENT_CAPABILITIES_META_KEY] as object) };
      const inputRequests: NonNullable<InputRequiredSpec["inputRequests"]> = {};
      if (can["sampling"]) inputRequests["model"] = said("Say something", 10);
      if (can["elicitation"]) inputRequests["user_name"] = inputRequired.elicit(NAME);
      return Object.keys(inputRequests).length === 0 ? text("The client can answer nothing.") : inputRequired({ inputRequests });
    },
  },
};

const remembering = ({ state }: Around): Record<string, Tool> => {
  const confirming: Run = async (_args, ctx) =>
    acceptedContent(ctx.mcpReq.inputResponses, "confirm") && ctx.mcpReq.requestState<{ step: string }>()?.step === "confirm"
      ? text("state-ok")
      : inputRequired({ inputRequests: { confirm: inputRequired.elicit(CONFIRM) }, requestState: await state.mint({ step: "confirm" }) });
  const ask = async (key: string, message: string, member: string): Promise<Result> =>
    inputRequired({
      inputRequests: { [key]: inputRequired.elicit(form(message, object({ [member]: string }))) },
      requestState: await state.mint({ step: key }),
    });
  return {
    test_input_required_result_request_state: { description: "Asks and remembers", run: confirming },
    test_input_required_result_tampered_state: { description: "Asks, remembers and checks", run: confirming },
    test_input_required_result_multiple_inputs: {
      description: "Asks three things at once",
      run: async (_args, ctx) => {
        const isAnswered =
          answeredWith(ctx, "user_name", "elicit") &&
          answeredWith(ctx, "greeting", "sampling") &&
          answeredWith(ctx, "client_roots", "roots");
        if (isAnswered) return text("Thank you for all three.");
        const inputRequests = {
          user_name: inputRequired.elicit(NAME),
          greeting: said("Generate a greeting", 50),
          client_roots: inputRequired.listRoots(),
        };
        return inputRequired({ inputRequests, requestState: await state.mint({ step: "all" }) });
      },
    },
    test_input_required_result_multi_round: {
      description: "Asks one thing after the other",
      run: (_args, { mcpReq }) => {
        const step = mcpReq.requestState<{ step: string }>()?.step;
        if (step === "step2" && acceptedContent(mcpReq.inputResponses, "step2")) return text("Thank you for both.");
        if (step === "step1" && acceptedContent(mcpReq.inputResponses, "step1"))
          return ask("step2", "Step 2: What is your favorite color?", "color");
        return ask("step1", "Step 1: What is your name?", "name");
      },
    },
  };
};

const changing = ({ toolsChanged, promptsChanged }: Around): Record<string, Tool> => ({
  test_trigger_tool_change: {
    description: "Says that the tools have changed",
    run: () => {
      toolsChanged();
      return text("told");
    },
  },
  test_trigger_prompt_change: {
    description: "Says that the prompts have changed",
    run: () => {
      promptsChanged();
      return text("told");
    },
  },
});

/** The tools that the suites' scenarios name. */
export function addConformanceTools(server: McpServer, around: Around): void {
  const tools = { ...plain, ...telling, ...asked, ...remembering(around), ...changing(around) };
  for (const [name, { description, input = { type: "object" }, run }] of Object.entries(tools)) {
    server.registerTool(name, { description, inputSchema: fromJsonSchema<Args>(input) }, (args, ctx) => run(args, ctx));
  }
}
