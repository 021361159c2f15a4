/** Keys of everything that is read from the server. A hint about a thing invalidates the keys that begin with it. */
/** What can never change; no hint and no reconnection reads it again. */
export const FIXED: ReadonlySet<unknown> = new Set(["workflow-version", "drawing"]);

export const keys = {
  me: ["me"],
  workflows: {
    all: ["workflows"],
    list: (name: string) => ["workflows", "list", name],
    detail: (id: string) => ["workflows", "detail", id],
    versions: (id: string) => ["workflows", "versions", id],
  },
  version: (workflowId: string, version: number) => ["workflow-version", workflowId, version],
  runs: {
    all: ["runs"],
    lists: ["runs", "list"],
    list: (filter: object) => ["runs", "list", filter],
    latest: (workflowId: string) => ["runs", "list", "latest", workflowId],
    detail: (id: string) => ["runs", "detail", id],
    journal: (id: string) => ["runs", "journal", id],
  },
  approvals: {
    all: ["approvals"],
    list: (status: string) => ["approvals", "list", status],
    run: (runId: string) => ["approvals", "run", runId],
  },
  drawing: (...what: readonly unknown[]) => ["drawing", ...what],
  messages: { run: (runId: string) => ["messages", runId] },
  mcp: {
    all: ["mcp"],
    list: ["mcp", "list"],
    tools: (id: string) => ["mcp", "tools", id],
    logs: (id: string) => ["mcp", "logs", id],
  },
  agents: { all: ["agents"], list: ["agents", "list"], models: ["agents", "models"] },
} as const;
