import type { ServerSettings } from "#contract/mcp/settings.ts";
import { AppError } from "#server/kernel/errors.ts";

type Asking = { actor: string; mayApprove: boolean; createdBy: string; ownerApproves: boolean };
type Settings = ServerSettings | undefined;

/** Serving what the scan has flagged is an approval of it, by whoever could approve the tools of this server. Throws `permission_denied`. */
export function checkAllowFlagged(before: Settings, after: Settings, { actor, mayApprove, createdBy, ownerApproves }: Asking): void {
  if (after?.allowFlagged !== true || before?.allowFlagged === true) return;
  if (mayApprove && (ownerApproves || createdBy !== actor)) return;
  const who = mayApprove ? "somebody other than who registered the server" : "somebody who may approve its tools";
  throw new AppError("permission_denied", `\`settings.allowFlagged\` is for ${who} to turn on.`, {
    remedy: "Ask an owner or admin to turn it on.",
  });
}
