import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useId, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { uuidv7 } from "uuidv7";
import { Json } from "#contract/common.ts";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { api } from "../../api/client.ts";
import { explain } from "../../api/explain.ts";
import { keys } from "../../api/keys.ts";
import { workflowQuery } from "../../api/workflows.ts";
import { fieldsOf, initialValues, readForm, type FormProblem } from "../../graph/schema-form.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { ErrorState, SkeletonRows } from "../../ui/page.ts";
import { RunInputFields, type InputMode } from "./run-input-fields.tsx";

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
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const input = form.read();
    if (input !== undefined && !start.isPending) start.mutate(input);
  };
  return (
    <form id={id} onSubmit={submit} noValidate className="flex min-h-0 flex-col">
      <div className="flex min-h-0 flex-col gap-4 overflow-y-auto px-5 pb-4">
        <RunInputFields form={form} />
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

function useStartRun(workflowId: string) {
  const navigate = useNavigate();
  const client = useQueryClient();
  // One key per input: pressing twice, or pressing again after a lost answer, starts one run.
  const sent = useRef({ input: "", key: "" });
  return useMutation({
    mutationFn: (input: Json) => {
      const text = JSON.stringify(input);
      if (sent.current.input !== text) sent.current = { input: text, key: uuidv7() };
      return api.startRun({ params: { id: workflowId }, headers: { "idempotency-key": sent.current.key }, body: { input } });
    },
    onSuccess: async (run) => {
      client.setQueryData(keys.runs.detail(run.id), run);
      void client.invalidateQueries({ queryKey: keys.runs.lists });
      await navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
  });
}

/** What has been written, as a form or as JSON. `read` gives the input, or undefined after marking what is wrong. */
function useRunInput(workflow: WorkflowDetail) {
  const { t } = useTranslation();
  const fields = fieldsOf(workflow.definition.input);
  const [mode, setMode] = useState<InputMode>(fields ? "form" : "json");
  const [values, setValues] = useState(() => initialValues(fields ?? []));
  const [text, setText] = useState("{}");
  const [problems, setProblems] = useState<Record<string, FormProblem>>({});
  const [jsonError, setJsonError] = useState<string>();

  const change = (next: InputMode): void => {
    if (next === "json" && fields) setText(JSON.stringify(readForm(fields, values).input, null, 2));
    setJsonError(undefined);
    setMode(next);
  };
  const readText = (): Json | undefined => {
    try {
      const input = Json.parse(JSON.parse(text));
      setJsonError(undefined);
      return input;
    } catch (error) {
      setJsonError(t("workflows.jsonInvalid", { reason: error instanceof Error ? error.message : String(error) }));
      return undefined;
    }
  };
  const read = (): Json | undefined => {
    if (mode === "json" || !fields) return readText();
    const { input, problems: found } = readForm(fields, values);
    setProblems(found);
    return Object.keys(found).length === 0 ? input : undefined;
  };
  const setValue = (name: string, value: string): void => {
    setValues({ ...values, [name]: value });
    const { [name]: _solved, ...rest } = problems;
    setProblems(rest);
  };
  return { fields, mode, setMode: change, values, setValue, text, setText, problems, jsonError, read };
}
