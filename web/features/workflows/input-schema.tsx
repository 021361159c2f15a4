import { useTranslation } from "react-i18next";
import type { Json } from "#contract/common.ts";
import { fieldsOf } from "../../graph/schema-form.ts";
import { Badge } from "../../ui/badge.tsx";
import { ValueView } from "../../ui/json-view.tsx";

/** What a run takes: as a table where the schema is plain, and the schema itself. */
export const InputSchema = ({ schema }: { schema: Record<string, Json> | undefined }) => {
  const { t } = useTranslation();
  const fields = fieldsOf(schema) ?? [];
  if (schema === undefined) return <p className="text-ink-3">{t("workflows.inputAny")}</p>;
  return (
    <div className="flex max-w-3xl flex-col gap-5">
      {fields.length > 0 ? (
        <div className="panel overflow-x-auto">
          <table className="w-full text-left text-[0.8125rem]">
            <caption className="sr-only">{t("workflows.inputSchema")}</caption>
            <thead className="border-b border-line bg-sunken">
              <tr>
                {(["field", "fieldType", "fieldMeaning"] as const).map((column) => (
                  <th key={column} scope="col" className="eyebrow px-3.5 py-2">
                    {t(`workflows.${column}`)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody className="divide-y divide-line">
              {fields.map((field) => (
                <tr key={field.name}>
                  <th scope="row" className="px-3.5 py-2.5 align-top font-medium">
                    <code className="font-mono text-xs">{field.name}</code>
                    {field.required ? <Badge className="ml-2 h-5 text-2xs">{t("workflows.required")}</Badge> : null}
                  </th>
                  <td className="px-3.5 py-2.5 align-top text-ink-2">
                    {field.choices.length > 0 ? field.choices.join(" | ") : field.kind.replace("_", " ")}
                  </td>
                  <td className="px-3.5 py-2.5 align-top text-pretty text-ink-2">{field.description}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      <ValueView value={schema} label={t("workflows.inputSchema")} />
    </div>
  );
};
