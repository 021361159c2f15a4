import { Link } from "@tanstack/react-router";
import { Bot, ListTree, Plug, UserCheck, Workflow, type LucideIcon } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useMe } from "../api/session.ts";
import { keysOf, type CommandId } from "../commands/commands.ts";
import { Logo } from "../ui/logo.tsx";
import { Tooltip } from "../ui/tooltip.tsx";

const PAGES = [
  { to: "/workflows", name: "workflows", icon: Workflow, command: "goWorkflows" },
  { to: "/runs", name: "runs", icon: ListTree, command: "goRuns" },
  { to: "/approvals", name: "approvals", icon: UserCheck, command: "goApprovals" },
  { to: "/mcp-servers", name: "mcpServers", icon: Plug, command: "goMcpServers" },
  { to: "/agents", name: "agents", icon: Bot, command: "goAgents" },
] as const satisfies readonly { to: string; name: string; icon: LucideIcon; command: CommandId }[];

/** With words on a wide screen, icons only on a middling one, absent on a phone. */
export const Sidebar = () => {
  const { t } = useTranslation();
  const me = useMe();
  return (
    <nav aria-label={t("shell.navigation")} className="hidden w-16 shrink-0 flex-col gap-5 px-2.5 py-3 sm:flex lg:w-56">
      <Link to="/workflows" className="flex items-center gap-2.5 rounded-lg px-1.5 py-1">
        <Logo className="size-8 shrink-0" />
        <span className="sr-only min-w-0 lg:not-sr-only lg:block">
          <span className="block text-[0.9375rem] leading-4.5 font-semibold tracking-tight">{t("shell.product")}</span>
          <span className="block truncate text-2xs text-ink-3">{me?.tenantName}</span>
        </span>
      </Link>
      <ul className="flex flex-col gap-0.5">
        {PAGES.map(({ to, name, icon: Icon, command }) => (
          <li key={to}>
            <Tooltip label={t(`shell.nav.${name}`)} keys={keysOf(command)} side="right">
              <Link
                to={to}
                className="flex h-9 items-center justify-center gap-2.5 rounded-lg px-2.5 font-medium text-ink-2 transition-colors hover:bg-hover hover:text-ink lg:justify-start"
                activeProps={{ className: "bg-raised text-ink shadow-1 ring-1 ring-line [&_svg]:text-accent" }}
              >
                <Icon aria-hidden="true" className="size-4.5 shrink-0" strokeWidth={1.9} />
                <span className="sr-only lg:not-sr-only">{t(`shell.nav.${name}`)}</span>
              </Link>
            </Tooltip>
          </li>
        ))}
      </ul>
    </nav>
  );
};

export const BottomBar = () => {
  const { t } = useTranslation();
  return (
    <nav aria-label={t("shell.navigationBelow")} className="border-t border-line bg-paper pb-[env(safe-area-inset-bottom)] sm:hidden">
      <ul className="grid grid-cols-5">
        {PAGES.map(({ to, name, icon: Icon }) => (
          <li key={to}>
            <Link
              to={to}
              className="flex h-14 flex-col items-center justify-center gap-0.5 text-2xs font-medium text-ink-3 outline-offset-[-3px]"
              activeProps={{ className: "text-ink [&_svg]:text-accent" }}
            >
              <Icon aria-hidden="true" className="size-5" strokeWidth={1.9} />
              {t(`shell.nav.${name}`)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
};
