import { Link } from "@tanstack/react-router";
import { CircleUserRound, LogOut, Monitor, Moon, Search, Sun } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useLiveStatus } from "../api/live/live-provider.tsx";
import { useMe } from "../api/session.ts";
import { keysOf } from "../commands/commands.ts";
import { useRunCommand } from "../commands/use-commands.ts";
import { Button } from "../ui/button.tsx";
import { cn } from "../ui/cn.ts";
import { Kbd } from "../ui/kbd.tsx";
import { Logo } from "../ui/logo.tsx";
import { Menu, MenuItem, MenuLabel, MenuRadioGroup, MenuSeparator } from "../ui/menu.tsx";
import { THEMES, useTheme } from "./theme.ts";

export const TopBar = () => {
  const { t } = useTranslation();
  const run = useRunCommand();
  const me = useMe();
  return (
    <header className="flex h-13 shrink-0 items-center gap-2 px-3 sm:h-14 sm:px-0 sm:pr-3">
      <Link to="/workflows" aria-label={t("shell.product")} className="sm:hidden">
        <Logo className="size-7.5" />
      </Link>
      <span className="min-w-0 truncate text-[0.8125rem] font-semibold sm:hidden">{me?.tenantName}</span>
      <button
        type="button"
        onClick={() => run("palette")}
        className="hidden h-8.5 w-full max-w-96 items-center gap-2 rounded-lg border border-line bg-raised px-2.5 text-left text-[0.8125rem] text-ink-3 shadow-1 transition-colors hover:border-line-strong sm:flex"
      >
        <Search aria-hidden="true" className="size-4" />
        <span className="flex-1 truncate">{t("shell.palette.open")}</span>
        <Kbd keys={keysOf("palette") ?? ""} />
      </button>
      <span className="flex-1" />
      <LiveIndicator />
      <Button variant="ghost" size="icon" className="sm:hidden" aria-label={t("shell.palette.open")} onClick={() => run("palette")}>
        <Search />
      </Button>
      <ThemeMenu />
      <UserMenu />
    </header>
  );
};

const LIVE_LOOK = {
  live: { dot: "bg-ok", text: "text-ink-2" },
  connecting: { dot: "bg-idle animate-breathe", text: "text-ink-3" },
  reconnecting: { dot: "bg-wait animate-breathe", text: "text-wait" },
  offline: { dot: "bg-bad", text: "text-bad" },
} as const;

const LiveIndicator = () => {
  const { t } = useTranslation();
  const status = useLiveStatus();
  const look = LIVE_LOOK[status];
  return (
    <output
      title={t(`shell.live.${status}Hint`)}
      data-live={status}
      className={cn("flex h-8 items-center gap-1.5 rounded-lg px-2 text-xs font-medium", look.text)}
    >
      <span aria-hidden="true" className={cn("size-2 rounded-full", look.dot)} />
      {t(`shell.live.${status}`)}
    </output>
  );
};

const THEME_ICON = { system: Monitor, light: Sun, dark: Moon } as const;

const ThemeMenu = () => {
  const { t } = useTranslation();
  const { theme, setTheme } = useTheme();
  const Icon = THEME_ICON[theme];
  const options = THEMES.map((value) => {
    const Option = THEME_ICON[value];
    return { value, label: t(`shell.theme.${value}`), icon: <Option className="text-ink-3" /> };
  });
  return (
    <Menu
      align="end"
      trigger={
        <Button variant="ghost" size="icon" aria-label={t("shell.theme.change", { theme: t(`shell.theme.${theme}`) })}>
          <Icon />
        </Button>
      }
    >
      <MenuRadioGroup label={t("shell.theme.label")} value={theme} onChange={setTheme} options={options} />
    </Menu>
  );
};

const UserMenu = () => {
  const { t } = useTranslation();
  const run = useRunCommand();
  const me = useMe();
  if (!me) return null;
  return (
    <Menu
      align="end"
      trigger={
        <Button variant="ghost" size="icon" aria-label={t("shell.signedInAs", { name: me.name, role: me.role ?? t("shell.noRole") })}>
          <CircleUserRound />
        </Button>
      }
    >
      <MenuLabel>{me.tenantName}</MenuLabel>
      <p className="px-2 pb-1.5 text-[0.8125rem]">{t("shell.signedInAs", { name: me.name, role: me.role ?? t("shell.noRole") })}</p>
      <MenuSeparator />
      <MenuItem onSelect={() => run("signOut")}>
        <LogOut />
        {t("shell.signOut")}
      </MenuItem>
    </Menu>
  );
};
