import type { Environment } from "#contract/common.ts";
import type { Definition } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import type { JudgeUses } from "./deps.ts";
import { toolUses } from "./tool-uses.ts";

type Where = { tenantId: string; environment: Environment };

/** What would keep steps from calling their tools if they ran now. It forbids nothing: servers come, and tools get approved, later. */
export async function toolWarnings(judgeUses: JudgeUses, where: Where, definition: Definition): Promise<Issue[]> {
  const uses = toolUses(definition);
  if (uses.length === 0) return [];
  const found = await judgeUses({ ...where, uses });
  return uses.flatMap(({ at, nodeId }, i) =>
    (found[i] ?? []).map(({ path, code, message }) => ({ path: `nodes[${at}].data.${path}`, nodeId, code, message })),
  );
}
