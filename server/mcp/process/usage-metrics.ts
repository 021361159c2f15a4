import { Gauge, type Registry } from "prom-client";
import type { TreeWatch } from "./tree-watch.ts";
import type { Usage } from "./caps.ts";

const GAUGES = [
  ["memory_bytes", "Memory that a server's processes use together.", (usage: Usage) => usage.memoryBytes],
  ["cpu_seconds", "Time that a server's living processes have had on a processor.", (usage: Usage) => usage.cpuMs / 1_000],
  ["processes", "Living processes of a server.", (usage: Usage) => usage.processes],
  ["open_files", "Files that a server's processes have open.", (usage: Usage) => usage.openFiles],
  ["disk_bytes", "Size of a server's own folders.", (usage: Usage) => usage.diskBytes],
] as const;

/** Gauges of what the trees under watch use, by server. */
export function registerUsage(registry: Registry, watch: TreeWatch): void {
  for (const [name, help, read] of GAUGES) {
    const gauge = new Gauge({
      name: `auterity_mcp_server_${name}`,
      help,
      labelNames: ["server", "server_id"],
      registers: [],
      collect() {
        this.reset();
        for (const { server, usage } of watch.all()) this.inc({ server: server.name, server_id: server.id }, read(usage));
      },
    });
    registry.registerMetric(gauge);
  }
}
