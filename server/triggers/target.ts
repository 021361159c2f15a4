import { AppError } from "#server/kernel/errors.ts";
import type { Startables } from "./ports.ts";

type Target = { tenantId: string; workflowId: string; version?: number | undefined };

/** Throws `not_found` or `version_unknown` for what could not be started. */
export async function requireStartable(workflows: Startables, { tenantId, workflowId, version }: Target): Promise<void> {
  const found = await workflows.loadForStart({ tenantId, workflowId, version });
  if (!found) throw new AppError("not_found", `There is no workflow ${workflowId}.`);
}
