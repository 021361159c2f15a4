import type { ServerCalls } from "#contract/mcp/calls.ts";
import { LIMITS } from "#contract/limits.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { Breaker } from "./breaker.ts";
import { CallGate, type Load } from "./call-gate.ts";
import { CallStats } from "./call-stats.ts";

type CalledTool = { load: Load; breaker: Breaker; stats: CallStats };
type CalledServer = { load: Load; breaker: Breaker; tools: Map<string, CalledTool> };
type CalledTenant = { load: Load; gate: CallGate };
export type Called = { tool: CalledTool; server: CalledServer; tenant: CalledTenant };

const newLoad = (name: string, atOnce: number): Load => ({ name, running: 0, waiting: 0, atOnce });

/** What this process knows of its calls, by tenant, server and tool. */
export class CalledServers {
  readonly #tenantCalls: number;
  readonly #tenants = new Map<string, CalledTenant>();
  /** For as long as they are registered. */
  readonly #servers = new WeakMap<SupervisedServer, CalledServer>();

  constructor(tenantCalls: number = LIMITS.mcpTenantCalls) {
    this.#tenantCalls = tenantCalls;
  }

  of(called: SupervisedServer, toolName: string): Called {
    const { settings, tenantId } = called.record;
    const { calls } = settings;
    const tenant = this.#tenantOf(tenantId);
    const server = this.#serverOf(called);
    const tool = toolOf(server, toolName);
    server.load.atOnce = calls?.concurrency ?? LIMITS.mcpServerCalls;
    tool.load.atOnce = calls?.tools?.[toolName]?.concurrency ?? calls?.toolConcurrency ?? LIMITS.mcpToolCalls;
    return { tool, server, tenant };
  }

  view(called: SupervisedServer, now: number): ServerCalls {
    const { load, breaker, tools } = this.#serverOf(called);
    const show = (one: Load, of: Breaker) => ({ running: one.running, waiting: one.waiting, atOnce: one.atOnce, breaker: of.view(now) });
    return {
      serverId: called.record.id,
      ...show(load, breaker),
      tools: [...tools].map(([name, tool]) => ({
        name,
        ...show(tool.load, tool.breaker),
        counts: { ...tool.stats.counts },
        p50Ms: tool.stats.percentile(0.5),
        p95Ms: tool.stats.percentile(0.95),
      })),
    };
  }

  #tenantOf(tenantId: string): CalledTenant {
    const known = this.#tenants.get(tenantId);
    if (known) return known;
    const made = { load: newLoad("the workspace", this.#tenantCalls), gate: new CallGate() };
    this.#tenants.set(tenantId, made);
    return made;
  }

  #serverOf(called: SupervisedServer): CalledServer {
    const known = this.#servers.get(called);
    if (known) return known;
    const made = {
      load: newLoad(`the server ${called.record.name}`, LIMITS.mcpServerCalls),
      breaker: new Breaker(LIMITS.mcpServerFailures),
      tools: new Map<string, CalledTool>(),
    };
    this.#servers.set(called, made);
    return made;
  }
}

function toolOf(server: CalledServer, name: string): CalledTool {
  const known = server.tools.get(name);
  if (known) return known;
  const breaker = new Breaker(LIMITS.mcpToolFailures);
  const made = { load: newLoad(`the tool ${name}`, LIMITS.mcpToolCalls), breaker, stats: new CallStats() };
  server.tools.set(name, made);
  return made;
}
