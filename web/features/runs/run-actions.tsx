import { CircleStop, RotateCw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { isFinal, type Run } from "#contract/runs.ts";
import { usePermission } from "../../api/session.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { CancelDialog } from "./cancel-dialog.tsx";
import { useRetryRun } from "./use-run-actions.ts";

/** Cancel and retry, each disabled with its reason. */
export const RunActions = ({ run }: { run: Run }) => {
  const { t } = useTranslation();
  const control = usePermission("run:control");
  const start = usePermission("run:start");
  const [cancelling, setCancelling] = useState(false);
  const retry = useRetryRun(run);
  const over = isFinal(run.status);
  const cancelReason =
    control.reason ?? (over ? t("run.reason.final") : run.status === "cancelling" ? t("run.reason.cancelling") : undefined);
  const retryReason = start.reason ?? (over ? undefined : t("run.reason.notFinal"));
  const openCancel = (): void => setCancelling(true);
  const doRetry = (): void => retry.mutate();
  useCommands({
    cancelRun: cancelReason === undefined ? openCancel : undefined,
    retryRun: retryReason === undefined ? doRetry : undefined,
  });
  return (
    <>
      {over ? null : (
        <GatedButton variant="danger" reason={cancelReason} onClick={openCancel}>
          <CircleStop />
          {t("run.cancel")}
        </GatedButton>
      )}
      <GatedButton
        variant={run.status === "failed" ? "primary" : "secondary"}
        reason={retryReason}
        onClick={doRetry}
        hint={t("shell.commands.retryRun")}
      >
        <RotateCw />
        {t("run.retry")}
      </GatedButton>
      {cancelling ? <CancelDialog run={run} onClose={() => setCancelling(false)} /> : null}
    </>
  );
};
