import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Search, Workflow } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { recentRunsQuery } from "../api/runs.ts";
import { workflowNamesQuery } from "../api/workflows.ts";
import { specOf, type CommandGroup, type CommandId } from "../commands/commands.ts";
import { useAvailableCommands, useRunCommand } from "../commands/use-commands.ts";
import { Dialog } from "../ui/dialog.tsx";
import { shortId } from "../ui/format.ts";
import { Kbd } from "../ui/kbd.tsx";
import { RunStatusIcon } from "../ui/status.tsx";
import { RelativeTime } from "../ui/time.tsx";

const RECENT_RUNS = 6;
const ITEM =
  "flex h-9.5 cursor-default items-center gap-2.5 rounded-lg px-2.5 text-[0.8125rem] select-none data-[selected=true]:bg-hover [&_svg]:size-4 [&_svg]:shrink-0";
const GROUP =
  "[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pt-2.5 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:font-semibold [&_[cmdk-group-heading]]:text-ink-3";

type Props = { open: boolean; onOpenChange: (open: boolean) => void };

/** Everything one can go to or do, by typing a part of its name. */
export const CommandPalette = ({ open, onOpenChange }: Props) => {
  const { t } = useTranslation();
  const [search, setSearch] = useState("");
  const available = useAvailableCommands();
  const run = useRunCommand();
  const close = (): void => onOpenChange(false);
  const choose = (id: CommandId): void => {
    close();
    // After the dialog has given the focus back, so that what opens next can take it.
    setTimeout(() => run(id), 0);
  };
  const inGroup = (...groups: readonly CommandGroup[]): CommandId[] =>
    available.filter((id) => specOf(id).icon && groups.includes(specOf(id).group));
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("shell.palette.title")} bare className="sm:top-[14vh] sm:w-[38rem]">
      <Command label={t("shell.palette.title")} loop className="flex min-h-0 flex-col">
        <div className="flex items-center gap-2.5 border-b border-line px-4">
          <Search aria-hidden="true" className="size-4.5 shrink-0 text-ink-3" />
          <Command.Input
            value={search}
            onValueChange={setSearch}
            placeholder={t("shell.palette.placeholder")}
            className="h-13 w-full bg-transparent text-[0.9375rem] outline-none placeholder:text-ink-3"
          />
        </div>
        <Command.List className="max-h-[60vh] min-h-0 overflow-y-auto p-2 sm:max-h-96">
          <Command.Empty className="py-10 text-center text-[0.8125rem] text-ink-3">{t("shell.palette.empty")}</Command.Empty>
          <CommandItems heading={t("shell.palette.groups.here")} ids={inGroup("run", "canvas", "timeline")} onChoose={choose} />
          <CommandItems heading={t("shell.palette.groups.pages")} ids={inGroup("navigation")} onChoose={choose} />
          <Things onGone={close} />
          <CommandItems heading={t("shell.palette.groups.actions")} ids={inGroup("general")} onChoose={choose} />
        </Command.List>
      </Command>
    </Dialog>
  );
};

const CommandItems = ({ heading, ids, onChoose }: { heading: string; ids: readonly CommandId[]; onChoose: (id: CommandId) => void }) => {
  const { t } = useTranslation();
  if (ids.length === 0) return null;
  return (
    <Command.Group heading={heading} className={GROUP}>
      {ids.map((id) => {
        const { icon: Icon, keys } = specOf(id);
        return (
          <Command.Item key={id} value={`${t(`shell.commands.${id}`)} ${id}`} onSelect={() => onChoose(id)} className={ITEM}>
            {Icon ? <Icon aria-hidden="true" className="text-ink-3" /> : null}
            <span className="flex-1">{t(`shell.commands.${id}`)}</span>
            {keys?.[0] ? <Kbd keys={keys[0]} /> : null}
          </Command.Item>
        );
      })}
    </Command.Group>
  );
};

const Things = ({ onGone }: { onGone: () => void }) => {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const workflows = useQuery(workflowNamesQuery).data ?? [];
  const runs = useQuery(recentRunsQuery(RECENT_RUNS)).data ?? [];
  const go = (to: () => Promise<void>): void => {
    onGone();
    void to();
  };
  const item = (value: string, onSelect: () => void, children: ReactNode): ReactNode => (
    <Command.Item key={value} value={value} onSelect={onSelect} className={ITEM}>
      {children}
    </Command.Item>
  );
  return (
    <>
      {workflows.length > 0 ? (
        <Command.Group heading={t("shell.palette.groups.workflows")} className={GROUP}>
          {workflows.map(({ id, name }) =>
            item(
              `${name} ${id}`,
              () => go(() => navigate({ to: "/workflows/$workflowId", params: { workflowId: id } })),
              <>
                <Workflow aria-hidden="true" className="text-ink-3" />
                <span className="truncate">{name}</span>
              </>,
            ),
          )}
        </Command.Group>
      ) : null}
      {runs.length > 0 ? (
        <Command.Group heading={t("shell.palette.groups.runs")} className={GROUP}>
          {runs.map(({ id, workflowName, status, createdAt }) =>
            item(
              `${workflowName} ${id}`,
              () => go(() => navigate({ to: "/runs/$runId", params: { runId: id } })),
              <>
                <RunStatusIcon status={status} />
                <span className="flex-1 truncate">{workflowName}</span>
                <code className="font-mono text-2xs text-ink-3">{shortId(id)}</code>
                <RelativeTime at={createdAt} className="text-xs text-ink-3" />
              </>,
            ),
          )}
        </Command.Group>
      ) : null}
    </>
  );
};
