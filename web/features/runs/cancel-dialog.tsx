import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Run } from "#contract/runs.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Field, Input } from "../../ui/field.tsx";
import { useCancelRun } from "./use-run-actions.ts";

export const CancelDialog = ({ run, onClose }: { run: Run; onClose: () => void }) => {
  const { t } = useTranslation();
  const id = useId();
  const [why, setWhy] = useState("");
  // What has been asked to stop and does not can only be ended by force.
  const force = run.status === "cancelling" || run.status === "compensating";
  const cancel = useCancelRun(run.id);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    cancel.mutate({ reason: why.trim(), force }, { onSettled: onClose });
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={t(force ? "run.forceTitle" : "run.cancelTitle")}
      description={t(force ? "run.forceDetail" : "run.cancelDetail")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4 px-5 pb-5">
        <Field id={id} label={t("run.cancelReason")}>
          <Input id={id} value={why} maxLength={500} onChange={(event) => setWhy(event.target.value)} />
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t("run.keepRunning")}</Button>
          <Button type="submit" variant="danger" aria-disabled={cancel.isPending || undefined}>
            {t(force ? "run.forceConfirm" : "run.cancelConfirm")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
};
