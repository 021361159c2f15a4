import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { explain } from "../../api/explain.ts";
import { workflowQuery } from "../../api/workflows.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { ErrorState, SkeletonRows } from "../../ui/page.ts";
import { RunInputFields } from "./run-input-fields.tsx";
import { TryOut } from "./try-out.tsx";
import { useRunInput } from "./use-run-input.ts";
import { useStartRun } from "./use-start-run.ts";

type Props = { workflowId: string; name: string; onClose: () => void };

/** Asks for the input, starts the run and goes to its page. */
export const StartRunDialog = ({ workflowId, name, onClose }: Props) => {
  const { t } = useTranslation();
  const workflow = useQuery(workflowQuery(workflowId));
  const { data } = workflow;
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={t("workflows.runTitle", { name })}
      description={data ? t("workflows.runDetail", { version: data.version }) : undefined}
    >
      {workflow.isPending ? (
        <div className="px-5 pb-5">
          <SkeletonRows rows={2} />
        </div>
      ) : null}
      {workflow.isError ? <ErrorState error={workflow.error} onRetry={() => void workflow.refetch()} /> : null}
      {data ? <StartForm workflow={data} onClose={onClose} /> : null}
    </Dialog>
  );
};

const StartForm = ({ workflow, onClose }: { workflow: WorkflowDetail; onClose: () => void }) => {
  const { t } = useTranslation();
  const id = useId();
  const form = useRunInput(workflow);
  const start = useStartRun(workflow.id);
  const [breakpoints, setBreakpoints] = useState<readonly string[]>();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const input = form.read();
    if (input !== undefined && !start.isPending) start.mutate({ input, breakpoints });
  };
  return (
    <form id={id} onSubmit={submit} noValidate className="flex min-h-0 flex-col">
      <div className="flex min-h-0 flex-col gap-4 overflow-y-auto px-5 pb-4">
        <RunInputFields form={form} />
        <TryOut workflow={workflow} value={breakpoints} onChange={setBreakpoints} />
        {start.isError ? <StartError error={start.error} /> : null}
      </div>
      <footer className="flex justify-end gap-2 border-t border-line px-5 py-3">
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" variant="primary" aria-disabled={start.isPending || undefined}>
          <Play />
          {t(start.isPending ? "workflows.starting" : "workflows.start")}
        </Button>
      </footer>
    </form>
  );
};

const StartError = ({ error }: { error: unknown }) => {
  const { t } = useTranslation();
  const { title, remedy, issues } = explain(error, t);
  return (
    <div role="alert" className="rounded-lg bg-bad-soft px-3 py-2 text-[0.8125rem] text-bad">
      <p className="font-medium">{title}</p>
      <p>{remedy}</p>
      {issues.length > 0 ? (
        <ul className="mt-1 list-disc pl-4 text-xs">
          {issues.map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code className="font-mono">{path || "/"}</code> {message}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
};
