import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { FormField, FormProblem, FormValues } from "../../graph/schema-form.ts";
import { Field, Input, TextArea, describedBy } from "../../ui/field.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import { Select } from "../../ui/select.tsx";

export type InputMode = "form" | "json";

type Form = {
  /** Undefined when the schema asks for more than plain fields. */
  fields: readonly FormField[] | undefined;
  mode: InputMode;
  setMode: (mode: InputMode) => void;
  values: FormValues;
  setValue: (name: string, value: string) => void;
  text: string;
  setText: (text: string) => void;
  problems: Readonly<Record<string, FormProblem>>;
  jsonError: string | undefined;
};

export const RunInputFields = ({ form }: { form: Form }) => {
  const { t } = useTranslation();
  const id = useId();
  const { fields, mode, setMode, text, setText, jsonError } = form;
  return (
    <>
      {fields && fields.length > 0 ? (
        <Segmented
          label={t("workflows.inputMode")}
          value={mode}
          onChange={setMode}
          options={[
            { value: "form", label: t("workflows.form") },
            { value: "json", label: t("workflows.json") },
          ]}
          className="self-start"
        />
      ) : null}
      {mode === "json" ? (
        <Field id={id} label={t("workflows.inputJson")} error={jsonError}>
          <TextArea
            id={id}
            value={text}
            onChange={(event) => setText(event.target.value)}
            aria-invalid={jsonError !== undefined || undefined}
            aria-describedby={describedBy(id, { error: jsonError })}
            className="min-h-44"
          />
        </Field>
      ) : null}
      {mode === "form" && fields?.length === 0 ? <p className="text-[0.8125rem] text-ink-3">{t("workflows.noInput")}</p> : null}
      {mode === "form" ? fields?.map((field) => <SchemaField key={field.name} field={field} form={form} />) : null}
    </>
  );
};

const PROBLEM = { required: "workflows.valueRequired", number: "workflows.numberInvalid", integer: "workflows.integerInvalid" } as const;

const SchemaField = ({ field, form }: { field: FormField; form: Form }) => {
  const { t } = useTranslation();
  const id = useId();
  const problem = form.problems[field.name];
  const error = problem ? t(PROBLEM[problem]) : undefined;
  return (
    <Field id={id} label={field.label} hint={field.description} error={error} note={field.required ? t("workflows.required") : undefined}>
      <Control
        field={field}
        id={id}
        value={form.values[field.name] ?? ""}
        onChange={(value) => form.setValue(field.name, value)}
        isInvalid={problem !== undefined}
        describedBy={describedBy(id, { hint: field.description, error })}
      />
    </Field>
  );
};

type ControlProps = {
  field: FormField;
  id: string;
  value: string;
  onChange: (value: string) => void;
  isInvalid: boolean;
  describedBy: string | undefined;
};

const Control = ({ field, id, value, onChange, isInvalid, describedBy }: ControlProps) => {
  const { t } = useTranslation();
  const common = {
    id,
    value,
    "aria-invalid": isInvalid || undefined,
    "aria-describedby": describedBy,
    "aria-required": field.required || undefined,
  };
  switch (field.kind) {
    case "boolean":
    case "choice": {
      const choices = field.kind === "boolean" ? ["true", "false"] : field.choices;
      const labelOf = (choice: string): string =>
        field.kind === "boolean" ? t(choice === "true" ? "workflows.yes" : "workflows.no") : choice;
      const options = [
        { value: "", label: t("workflows.chooseOne") },
        ...choices.map((choice) => ({ value: choice, label: labelOf(choice) })),
      ];
      return <Select id={id} label={field.label} value={value} onChange={onChange} options={options} className="w-full" />;
    }
    case "long_text":
      return <TextArea {...common} onChange={(event) => onChange(event.target.value)} className="font-sans text-[0.8125rem]" />;
    case "number":
    case "integer":
      return <Input {...common} inputMode="decimal" onChange={(event) => onChange(event.target.value)} className="tabular" />;
    case "secret":
      return <Input {...common} type="password" autoComplete="off" onChange={(event) => onChange(event.target.value)} />;
    default:
      return <Input {...common} onChange={(event) => onChange(event.target.value)} />;
  }
};
