import { Gauge, type Registry } from "prom-client";
import type { Usage } from "./caps.ts";
import type { TreeWatch } from "./tree-watch.ts";

const GAUGES = [
  ["memory_bytes", "Memory that the servers' processes use together.", (usage: Usage) => usage.memoryBytes],
  ["cpu_seconds", "Time that the servers' living processes have had on a processor.", (usage: Usage) => usage.cpuMs / 1_000],
  ["processes", "Living processes of all servers.", (usage: Usage) => usage.processes],
  ["open_files", "Files that the servers' processes have open.", (usage: Usage) => usage.openFiles],
  ["disk_bytes", "Size of the servers' own folders.", (usage: Usage) => usage.diskBytes],
] as const;

/** Gauges of what all trees under watch use together. Without names: whoever reads metrics sees those of every workspace. */
export function registerUsage(registry: Registry, watch: TreeWatch): void {
  for (const [name, help, read] of GAUGES) {
    const gauge = new Gauge({
      name: `auterity_mcp_servers_${name}`,
      help,
      registers: [],
      collect() {
        this.set(watch.all().reduce((sum, usage) => sum + read(usage), 0));
      },
    });
    registry.registerMetric(gauge);
  }
}
