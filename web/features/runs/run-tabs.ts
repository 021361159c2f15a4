import { z } from "zod";
import { parseStepRef } from "../../graph/scope.ts";

export const RUN_TABS = ["graph", "timeline", "messages", "events"] as const;
export type RunTab = (typeof RUN_TABS)[number];

/** What of the run page stands in the address bar: `?tab=timeline&step=each[3]/read`. */
export const RunPageSearch = z.object({
  tab: z.enum(RUN_TABS).optional().catch(undefined),
  step: z
    .string()
    .refine((text) => parseStepRef(text) !== undefined)
    .optional()
    .catch(undefined),
});
export type RunPageSearch = z.infer<typeof RunPageSearch>;
