import { useQuery } from "@tanstack/react-query";
import { ShieldAlert, Wrench } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Tool } from "#contract/mcp/tools.ts";
import { serverToolsQuery } from "../../api/mcp.ts";
import { fieldsOf } from "../../graph/schema-form.ts";
import { Badge, type Tone } from "../../ui/badge.tsx";
import { ValueView } from "../../ui/json-view.tsx";
import { SearchField } from "../../ui/search-field.tsx";
import { EmptyState, ErrorState, SkeletonRows } from "../../ui/page.ts";

/** A search is worth its room only for a long list. */
const MANY_TOOLS = 6;
const APPROVAL_TONE: Readonly<Record<Tool["approval"], Tone>> = { approved: "ok", pending: "wait", changed: "bad", rejected: "bad" };

export const ServerTools = ({ serverId }: { serverId: string }) => {
  const { t } = useTranslation();
  const tools = useQuery(serverToolsQuery(serverId));
  const [search, setSearch] = useState("");
  if (tools.isPending) return <SkeletonRows rows={4} className="h-14" />;
  if (tools.isError) return <ErrorState error={tools.error} onRetry={() => void tools.refetch()} />;
  if (tools.data.length === 0) return <EmptyState icon={<Wrench />} title={t("mcp.noTools")} />;
  const wanted = search.trim().toLowerCase();
  const shown = tools.data.filter((tool) => `${tool.name} ${tool.title ?? ""} ${tool.description}`.toLowerCase().includes(wanted));
  return (
    <div className="flex flex-col gap-3">
      {tools.data.length > MANY_TOOLS ? (
        <SearchField label={t("mcp.toolSearch")} value={search} onChange={setSearch} className="sm:w-full" />
      ) : null}
      {shown.length === 0 ? <p className="text-[0.8125rem] text-ink-3">{t("mcp.toolsFiltered")}</p> : null}
      <ul className="flex flex-col gap-2">
        {shown.map((tool) => (
          <ToolRow key={tool.id} tool={tool} />
        ))}
      </ul>
    </div>
  );
};

const ToolRow = ({ tool }: { tool: Tool }) => {
  const { t } = useTranslation();
  const fields = fieldsOf(tool.inputSchema) ?? [];
  return (
    <li className="panel">
      <details className="group">
        <summary className="flex list-none flex-col gap-1 rounded-xl px-3.5 py-2.5 select-none hover:bg-hover [&::-webkit-details-marker]:hidden">
          <span className="flex items-center gap-2">
            <code className="min-w-0 flex-1 truncate font-mono text-[0.8125rem] font-semibold">{tool.name}</code>
            <span className="text-2xs text-ink-3">{t(`mcp.effect.${tool.effect}`)}</span>
            <Badge tone={APPROVAL_TONE[tool.approval]} className="h-5 text-2xs">
              {t(`mcp.approval.${tool.approval}`)}
            </Badge>
          </span>
          <span className="line-clamp-2 text-xs text-ink-3 group-open:line-clamp-none">{tool.description}</span>
          {fields.length > 0 ? (
            <span className="flex flex-wrap gap-1.5 font-mono text-2xs text-ink-2">
              {fields.map((field) => (
                <span key={field.name}>
                  {field.name}
                  {field.required ? "" : "?"}
                </span>
              ))}
            </span>
          ) : null}
          {tool.findings.length > 0 ? (
            <span className="flex items-start gap-1.5 text-xs text-bad">
              <ShieldAlert aria-hidden="true" className="mt-0.5 size-3.5 shrink-0" />
              {t("mcp.findings")}: {tool.findings.join("; ")}
            </span>
          ) : null}
        </summary>
        <div className="border-t border-line p-3">
          <ValueView value={tool.inputSchema} label={t("mcp.schema")} />
        </div>
      </details>
    </li>
  );
};
