import type { Approval } from "#contract/approvals.ts";
import type { Me } from "#contract/access.ts";
import type { Agent } from "#contract/agents.ts";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import type { Message } from "#contract/messages.ts";
import { ROLE_PERMISSIONS, type Role } from "#contract/permissions.ts";
import type { Run, RunSummary } from "#contract/runs.ts";
import type { WorkflowDetail } from "#contract/workflows.ts";

/** Ids that read well in failures: `id(7)` ends in 7. */
export const id = (number: number): string => `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
const NOON = "2026-03-02T12:00:00.000Z";

export const makeMe = (role: Role = "owner"): Me => ({
  principalId: id(1),
  name: "Olga Owner",
  kind: "user",
  role,
  permissions: [...ROLE_PERMISSIONS[role]],
  tenantId: id(2),
  tenantName: "Demo workspace",
});

const TRIAGE: DefinitionInput = {
  version: 2,
  name: "Letter triage",
  input: {
    type: "object",
    additionalProperties: false,
    required: ["folder"],
    properties: { folder: { type: "string", title: "Folder", description: "Where the letters are" }, urgent: { type: "boolean" } },
  },
  nodes: [
    { id: "start", type: "start", label: "Start" },
    {
      id: "list",
      type: "mcp_tool",
      label: "List the letters",
      data: { server: "files", tool: "list_directory", arguments: { path: "=input.folder" } },
    },
    { id: "each", type: "map", label: "Each letter", data: { items: "=steps.list.names", concurrency: 2 } },
    {
      id: "summary",
      type: "openai_model",
      parentId: "each",
      label: "Summarise",
      data: { model: "offline/extractive", messages: [{ role: "user", content: "{{ item }}" }] },
    },
    {
      id: "check",
      type: "custom_agent",
      parentId: "each",
      label: "Check amounts",
      data: { agent: "facts", skill: "check", input: { text: "=item" } },
    },
    { id: "any", type: "condition", label: "Anything urgent?", data: { when: "=$count(steps.each) > 0" } },
    { id: "rank", type: "a2a_agent", label: "Rank", data: { agent: "urgency", message: "=steps.each" } },
    { id: "end", type: "end", label: "End", data: { output: { ranked: "=steps.rank" } } },
  ],
  edges: [
    { id: "e1", source: "start", target: "list" },
    { id: "e2", source: "list", target: "each" },
    { id: "e3", source: "summary", target: "check" },
    { id: "e4", source: "each", target: "any" },
    { id: "e5", source: "any", sourceHandle: "true", target: "rank" },
    { id: "e6", source: "any", sourceHandle: "false", target: "end" },
    { id: "e7", source: "rank", target: "end" },
  ],
};

/** A list, a map of two steps, a condition and two ends of it: every kind of agent once. */
export const triage: Definition = Definition.parse(TRIAGE);

export const makeWorkflow = (given: Partial<WorkflowDetail> = {}): WorkflowDetail => ({
  id: id(10),
  name: "Letter triage",
  version: 1,
  description: "Reads the letters of a folder and ranks what is urgent.",
  nodeTypes: ["start", "mcp_tool", "map", "openai_model", "custom_agent", "condition", "a2a_agent", "end"],
  createdAt: NOON,
  updatedAt: NOON,
  definition: triage,
  ...given,
});

export const makeRunSummary = (given: Partial<RunSummary> = {}): RunSummary => ({
  id: id(100),
  workflowId: id(10),
  workflowName: "Letter triage",
  version: 1,
  mode: "production",
  status: "succeeded",
  parentRunId: null,
  tags: [],
  createdAt: NOON,
  startedAt: NOON,
  finishedAt: "2026-03-02T12:00:04.200Z",
  seq: 12,
  ...given,
});

export const makeRun = (given: Partial<Run> = {}): Run => ({
  ...makeRunSummary(),
  input: { folder: "letters" },
  output: { ranked: ["a.md", "b.md"] },
  error: null,
  questions: [],
  ...given,
});

export const makeMessage = (given: Partial<Message> = {}): Message => ({
  id: id(500),
  at: NOON,
  protocol: "mcp",
  direction: "out",
  kind: "request",
  method: "tools/call",
  from: "auterity",
  to: "files",
  correlationId: "c-1",
  runId: id(100),
  scope: "",
  nodeId: "list",
  attempt: 1,
  serverId: id(20),
  connectionId: null,
  transport: "stdio",
  era: "legacy",
  tool: "list_directory",
  errorCode: null,
  sizeBytes: 120,
  latencyMs: null,
  content: { name: "list_directory" },
  truncated: false,
  redacted: false,
  ...given,
});

export const makeServer = (given: Partial<McpServer> = {}): McpServer => ({
  id: id(20),
  name: "files",
  description: "Reads and writes documents",
  environment: "production",
  launch: { transport: "stdio", command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "."], env: {} },
  launchApproved: true,
  launchHash: "0".repeat(64),
  approvedRoots: null,
  warnings: [],
  settings: {},
  desired: "running",
  state: "READY",
  confinement: "unconfined",
  protocolVersion: "2025-11-25",
  era: { era: "legacy", protocolVersion: "2025-11-25", decidedAt: "2026-03-02T12:00:00.000Z" },
  serverVersion: "1.0.0",
  toolCount: 2,
  lastError: null,
  pid: 4_711,
  startedAt: NOON,
  restarts: 0,
  quarantine: null,
  health: null,
  nextAttemptAt: null,
  createdAt: NOON,
  updatedAt: NOON,
  ...given,
});

export const makeTool = (given: Partial<Tool> = {}): Tool => ({
  id: id(30),
  serverId: id(20),
  serverName: "files",
  name: "read_text_file",
  title: null,
  description: "Reads a file as text.",
  inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
  outputSchema: null,
  annotations: {},
  hash: "a".repeat(64),
  approval: "approved",
  isEnabled: true,
  reason: null,
  effect: "none",
  findings: [],
  isFlagged: false,
  ...given,
});

export const makeAgent = (given: Partial<Agent> = {}): Agent => ({
  findings: [],
  id: id(40),
  name: "facts",
  title: "Fact checker",
  description: "Checks amounts and dates",
  environment: "production",
  endpoint: { kind: "custom" },
  concurrency: null,
  skills: [{ name: "check", description: "Finds amounts and dates", effect: "none" }],
  version: "1",
  status: "online",
  lastSeenAt: NOON,
  createdAt: NOON,
  updatedAt: NOON,
  ...given,
});

export const makeApproval = (given: Partial<Approval> = {}): Approval => ({
  id: id(200),
  runId: id(100),
  workflowId: id(10),
  workflowName: "Letter triage",
  scope: "",
  nodeId: "ask",
  status: "pending",
  message: "Pay 5?",
  arguments: { amount: 5 },
  approvers: ["role:owner"],
  needed: 1,
  decisions: [],
  deadline: null,
  requestedAt: NOON,
  closedAt: null,
  mayDecide: true,
  ...given,
});
