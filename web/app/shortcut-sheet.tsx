import { Search } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { COMMAND_GROUPS, COMMAND_IDS, specOf, type CommandId } from "../commands/commands.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Input } from "../ui/field.tsx";
import { Kbd, keyName } from "../ui/kbd.tsx";

type Props = { open: boolean; onOpenChange: (open: boolean) => void };

/** Every shortcut there is, from the same table that dispatches them. */
export const ShortcutSheet = ({ open, onOpenChange }: Props) => {
  const { t } = useTranslation();
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const matches = (id: CommandId): boolean =>
    t(`shell.commands.${id}`).toLowerCase().includes(wanted) || specOf(id).keys?.includes(wanted) === true;
  const shown = COMMAND_IDS.filter((id) => specOf(id).keys !== undefined && matches(id));
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("shell.shortcuts.title")}
      description={t("shell.shortcuts.detail")}
      className="sm:w-[42rem]"
    >
      <div className="relative px-5 pb-3">
        <Search aria-hidden="true" className="absolute top-2.25 left-8 size-4 text-ink-3" />
        <Input
          type="search"
          aria-label={t("shell.shortcuts.search")}
          placeholder={t("shell.shortcuts.search")}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className="pl-9"
        />
      </div>
      <div className="min-h-0 columns-1 gap-8 overflow-y-auto px-5 pb-5 sm:columns-2">
        {shown.length === 0 ? <p className="py-6 text-center text-[0.8125rem] text-ink-3">{t("shell.shortcuts.empty")}</p> : null}
        {COMMAND_GROUPS.map((group) => {
          const ids = shown.filter((id) => specOf(id).group === group);
          if (ids.length === 0) return null;
          return (
            <section key={group} className="mb-4 break-inside-avoid" aria-label={t(`shell.shortcuts.groups.${group}`)}>
              <h3 className="eyebrow pb-1">{t(`shell.shortcuts.groups.${group}`)}</h3>
              <dl>
                {ids.map((id) => (
                  <div key={id} className="flex min-h-8 items-center justify-between gap-4 border-b border-line py-1 last:border-0">
                    <dt className="text-[0.8125rem]">{t(`shell.commands.${id}`)}</dt>
                    <dd className="flex flex-wrap justify-end gap-1.5">
                      {specOf(id).keys?.map((keys) => (
                        <span key={keys}>
                          <Kbd keys={keys} />
                          <span className="sr-only">{spoken(keys, t("shell.shortcuts.followedBy"))}</span>
                        </span>
                      ))}
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          );
        })}
      </div>
    </Dialog>
  );
};

const spoken = (keys: string, then: string): string =>
  keys
    .split(" ")
    .map((chord) => chord.split("+").map(keyName).join(" "))
    .join(` ${then} `);
