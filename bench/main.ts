import { engine } from "./engine/bench.ts";
import { mcp } from "./mcp/bench.ts";
import { scale } from "./scale/bench.ts";

/** `npm run bench -- <name> [part]`: prints JSON lines `{bench, system, metric, value, unit}` and, at the end, the ratios. */
const BENCHES: Record<string, (part: string | undefined) => Promise<void>> = { engine, mcp, scale };

const name = process.argv[2] ?? "";
const bench = BENCHES[name];
if (!bench) {
  console.error(`Expected one of ${Object.keys(BENCHES).join(", ")}; got ${name || "nothing"}.`);
  process.exit(1);
}
await bench(process.argv[3]);
