import { GitFork } from "lucide-react";
import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Run } from "#contract/runs.ts";
import { usePermission } from "../../api/session.ts";
import type { StepRef } from "../../graph/scope.ts";
import { parseJson } from "../../ui/parse-json.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Field, TextArea, describedBy } from "../../ui/field.tsx";
import { GatedButton } from "../../ui/gated-button.tsx";
import { useForkRun } from "./use-run-actions.ts";

type Props = { run: Run; step: StepRef; name: string };

export const ForkFromHere = (props: Props) => {
  const { t } = useTranslation();
  const { reason } = usePermission("run:start");
  const [open, setOpen] = useState(false);
  return (
    <>
      <GatedButton size="sm" reason={reason} onClick={() => setOpen(true)}>
        <GitFork />
        {t("run.fork.action")}
      </GatedButton>
      {open ? <ForkDialog {...props} onClose={() => setOpen(false)} /> : null}
    </>
  );
};

/** Starts a new run that executes this step again, on request with another input. */
const ForkDialog = ({ run, step, name, onClose }: Props & { onClose: () => void }) => {
  const { t } = useTranslation();
  const id = useId();
  const before = JSON.stringify(run.input, null, 2);
  const [text, setText] = useState(before);
  const fork = useForkRun(run.id);
  const input = parseJson(text);
  const isBroken = input === undefined;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isBroken || fork.isPending) return;
    fork.mutate({ from: step, ...(text === before ? {} : { input }) }, { onSuccess: onClose });
  };
  const error = isBroken ? t("common.json.broken") : undefined;
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={t("run.fork.title", { step: name })}
      description={t("run.fork.detail")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4 px-5 pb-5">
        <Field id={id} label={t("run.result.input")} hint={t("run.fork.hint")} error={error}>
          <TextArea
            id={id}
            value={text}
            aria-invalid={isBroken || undefined}
            aria-describedby={describedBy(id, { hint: true, error })}
            onChange={(event) => setText(event.target.value)}
          />
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" variant="primary" aria-disabled={isBroken || fork.isPending || undefined}>
            {t("run.fork.confirm")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
};
