import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { useShortcuts } from "../commands/use-commands.ts";
import { ConnectionBanner } from "./connection-banner.tsx";
import { BottomBar, Sidebar } from "./navigation.tsx";
import { TopBar } from "./top-bar.tsx";
import { useGlobalCommands } from "./use-global-commands.ts";

const CommandPalette = lazy(() => import("./command-palette.tsx").then((module) => ({ default: module.CommandPalette })));
const ShortcutSheet = lazy(() => import("./shortcut-sheet.tsx").then((module) => ({ default: module.ShortcutSheet })));

/** What stands around every page: navigation at the left (at the bottom on a phone), the bar above, the page on its sheet. */
export const Shell = () => {
  const { t } = useTranslation();
  const [overlay, setOverlay] = useState<"palette" | "shortcuts">();
  useGlobalCommands({ openPalette: () => setOverlay("palette"), openShortcuts: () => setOverlay("shortcuts") });
  useShortcuts();
  const close = (open: boolean): void => setOverlay(open ? overlay : undefined);
  return (
    <div className="flex h-dvh flex-col bg-paper sm:flex-row">
      <a
        href="#content"
        className="fixed top-2 left-2 z-60 -translate-y-16 rounded-lg bg-primary px-3 py-2 text-sm font-medium text-on-primary focus-visible:translate-y-0"
      >
        {t("shell.skip")}
      </a>
      <Sidebar />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <TopBar />
        <ConnectionBanner />
        <main
          id="content"
          tabIndex={-1}
          className="relative min-h-0 flex-1 overflow-y-auto border-t border-line bg-sheet outline-none sm:mr-2.5 sm:mb-2.5 sm:rounded-2xl sm:border sm:shadow-1"
        >
          <Outlet />
        </main>
      </div>
      <BottomBar />
      <Suspense>
        {overlay === "palette" ? <CommandPalette open onOpenChange={close} /> : null}
        {overlay === "shortcuts" ? <ShortcutSheet open onOpenChange={close} /> : null}
      </Suspense>
    </div>
  );
};
