import { ChevronDown, CircleStop, Pause, Play, RotateCw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { isFinal, type Run } from "#contract/runs.ts";
import { usePermission } from "../../api/session.ts";
import { useCommands } from "../../commands/use-commands.ts";
import { Button } from "../../ui/button.tsx";
import { GatedButton } from "../../ui/gated-button.tsx";
import { Menu, MenuItem } from "../../ui/menu.tsx";
import { CancelDialog } from "./cancel-dialog.tsx";
import { usePauseRun, useRetryRun, type RetryFrom } from "./use-run-actions.ts";

const RetryMenu = ({ onRetry }: { onRetry: (from: RetryFrom) => void }) => {
  const { t } = useTranslation();
  return (
    <Menu
      align="end"
      trigger={
        <Button size="icon" aria-label={t("run.retryFrom")}>
          <ChevronDown />
        </Button>
      }
    >
      <MenuItem onSelect={() => onRetry("failed")}>{t("run.retryFromFailed")}</MenuItem>
      <MenuItem onSelect={() => onRetry("start")}>{t("run.retryFromStart")}</MenuItem>
    </Menu>
  );
};

/** Pause, cancel and retry, each disabled with its reason. */
export const RunActions = ({ run }: { run: Run }) => {
  const { t } = useTranslation();
  const control = usePermission("run:control");
  const start = usePermission("run:start");
  const [cancelling, setCancelling] = useState(false);
  const retry = useRetryRun(run);
  const over = isFinal(run.status);
  const cancelReason = control.reason ?? (over ? t("run.reason.final") : undefined);
  const retryReason = start.reason ?? (over ? undefined : t("run.reason.notFinal"));
  const isStopping = run.status === "cancelling" || run.status === "compensating";
  const pause = usePauseRun(run);
  const pauseReason = control.reason ?? (over ? t("run.reason.final") : isStopping ? t("run.reason.stopping") : undefined);
  const doPause = (): void => (pause.isPending ? undefined : pause.mutate());
  const openCancel = (): void => setCancelling(true);
  const doRetry = (): void => (retry.isPending ? undefined : retry.mutate(undefined));
  useCommands({
    pauseRun: pauseReason === undefined ? doPause : undefined,
    cancelRun: cancelReason === undefined ? openCancel : undefined,
    retryRun: retryReason === undefined ? doRetry : undefined,
  });
  return (
    <>
      {over ? null : (
        <GatedButton reason={pauseReason} onClick={doPause}>
          {run.status === "paused" ? <Play /> : <Pause />}
          {t(run.status === "paused" ? "run.resume" : "run.pause")}
        </GatedButton>
      )}
      {over ? null : (
        <GatedButton variant="danger" reason={cancelReason} onClick={openCancel}>
          <CircleStop />
          {t(isStopping ? "run.force" : "run.cancel")}
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
      {retryReason === undefined && run.status !== "succeeded" ? <RetryMenu onRetry={(from) => retry.mutate(from)} /> : null}
      {cancelling ? <CancelDialog run={run} onClose={() => setCancelling(false)} /> : null}
    </>
  );
};
