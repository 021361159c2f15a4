import { useQuery } from "@tanstack/react-query";
import { ChevronDown, Skull, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { RUN_STATUSES, RunMode, type RunStatus } from "#contract/runs.ts";
import type { RunFilter } from "../../api/runs.ts";
import { workflowNamesQuery } from "../../api/workflows.ts";
import { Button } from "../../ui/button.tsx";
import { Input } from "../../ui/field.tsx";
import { Menu, MenuCheckItem, MenuSeparator } from "../../ui/menu.tsx";
import { Select } from "../../ui/select.tsx";
import { RunStatusIcon } from "../../ui/status.tsx";
import { useUrlText } from "../../ui/use-url-text.ts";
import { isFiltered } from "./run-filters.ts";

type Props = { filter: RunFilter; onChange: (filter: RunFilter) => void };

export const RunFilters = ({ filter, onChange }: Props) => {
  const { t } = useTranslation();
  const workflows = useQuery(workflowNamesQuery).data ?? [];
  const set = (part: Partial<RunFilter>): void => onChange({ ...filter, ...part });
  return (
    <fieldset
      aria-label={t("runs.filters.label")}
      className="-mx-4 flex min-w-0 items-center gap-2 overflow-x-auto px-4 pb-1 sm:mx-0 sm:flex-wrap sm:overflow-visible sm:px-0 sm:pb-0"
    >
      <StatusFilter filter={filter} set={set} />
      <Select
        label={t("runs.filters.workflow")}
        value={filter.workflowId ?? ""}
        onChange={(workflowId) => set({ workflowId: workflowId === "" ? undefined : workflowId })}
        options={[{ value: "", label: t("runs.filters.anyWorkflow") }, ...workflows.map(({ id, name }) => ({ value: id, label: name }))]}
        className="max-w-56 shrink-0"
      />
      <Select
        label={t("runs.filters.mode")}
        value={filter.mode ?? ""}
        onChange={(mode) => set({ mode: RunMode.safeParse(mode).data })}
        options={[
          { value: "", label: t("runs.filters.anyMode") },
          ...RunMode.options.map((mode) => ({ value: mode, label: t(`runs.filters.modes.${mode}`) })),
        ]}
        className="shrink-0"
      />
      <TagFilter value={filter.tag ?? ""} onChange={(tag) => set({ tag: tag.trim() === "" ? undefined : tag.trim() })} />
      <DayFilter label={t("runs.filters.from")} value={filter.from} onChange={(from) => set({ from })} />
      <DayFilter label={t("runs.filters.to")} value={filter.to} onChange={(to) => set({ to })} />
      {isFiltered(filter) ? (
        <Button variant="ghost" onClick={() => onChange({})} className="shrink-0">
          <X />
          {t("runs.filters.clear")}
        </Button>
      ) : null}
    </fieldset>
  );
};

type StatusProps = { filter: RunFilter; set: (part: Partial<RunFilter>) => void };
const NONE: readonly RunStatus[] = [];
const StatusFilter = ({ filter: { status: value = NONE, dead }, set }: StatusProps) => {
  const { t } = useTranslation();
  const names = [...value.map((status) => t(`runs.status.${status}`)), ...(dead ? [t("runs.dead")] : [])];
  const [only] = names;
  const words =
    only === undefined ? t("runs.filters.anyStatus") : names.length === 1 ? only : t("runs.filters.statuses", { count: names.length });
  const toggle = (status: RunStatus, checked: boolean): void =>
    set({ status: checked ? [...value, status] : value.filter((other) => other !== status) });
  return (
    <Menu
      trigger={
        <Button className="shrink-0 font-normal" aria-label={`${t("runs.filters.status")}: ${words}`}>
          {words}
          <ChevronDown className="size-3.5! text-ink-3" />
        </Button>
      }
    >
      {RUN_STATUSES.map((status) => (
        <MenuCheckItem key={status} checked={value.includes(status)} onChange={(checked) => toggle(status, checked)}>
          <RunStatusIcon status={status} hasWord={false} />
          {t(`runs.status.${status}`)}
        </MenuCheckItem>
      ))}
      <MenuSeparator />
      <MenuCheckItem checked={dead === true} onChange={(checked) => set({ dead: checked ? true : undefined })}>
        <Skull aria-hidden="true" className="text-bad" />
        {t("runs.dead")}
      </MenuCheckItem>
    </Menu>
  );
};

const TagFilter = ({ value, onChange }: { value: string; onChange: (tag: string) => void }) => {
  const { t } = useTranslation();
  const { text, setText } = useUrlText(value, onChange);
  return (
    <Input
      aria-label={t("runs.filters.tag")}
      placeholder={t("runs.filters.tagPlaceholder")}
      value={text}
      maxLength={64}
      onChange={(event) => setText(event.target.value)}
      className="w-28 shrink-0"
    />
  );
};

const DayFilter = ({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (day: string | undefined) => void;
}) => (
  <label className="flex shrink-0 items-center gap-1.5 text-xs text-ink-3">
    {label}
    <Input
      type="date"
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)}
      className="w-36 text-xs"
    />
  </label>
);
