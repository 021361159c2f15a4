import type { RouteResponse } from "#contract/route.ts";
import type { ToolPresetQuery, listNodeTypes as route } from "#contract/workflows.ts";
import { NODE_TYPE_INFO } from "#engine/index.ts";
import type { ToolPresets } from "../kernel/ports.ts";

/** What a definition can be made of: the node types, and the tools that are nodes already but for their arguments. */
export const listNodeTypes =
  ({ toolPresets }: { toolPresets: ToolPresets }) =>
  async (tenantId: string, query: ToolPresetQuery): Promise<RouteResponse<typeof route>> => ({
    items: [...NODE_TYPE_INFO],
    tools: await toolPresets({ ...query, tenantId }),
  });
