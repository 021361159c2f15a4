import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Json } from "#contract/common.ts";
import type { WorkflowDetail } from "#contract/workflows.ts";
import { fieldsOf, initialValues, readForm, type FormProblem } from "../../graph/schema-form.ts";
import type { InputMode } from "./run-input-fields.tsx";

/** What has been written, as a form or as JSON. `read` gives the input, or undefined after marking what is wrong. */
export function useRunInput(workflow: WorkflowDetail) {
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
