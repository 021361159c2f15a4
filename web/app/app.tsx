import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider, type QueryClient } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import type { i18n as I18n } from "i18next";
import { useState } from "react";
import { I18nextProvider } from "react-i18next";
import { Toaster } from "sonner";
import { CommandStore } from "../commands/command-store.ts";
import { CommandContext } from "../commands/use-commands.ts";
import type { LinkOutcome } from "../features/session/redeem-link.ts";
import { SessionGate } from "../features/session/session-gate.tsx";
import { TooltipProvider } from "../ui/tooltip.tsx";
import type { AppRouter } from "./routes.tsx";

type Props = { i18n: I18n; client: QueryClient; router: AppRouter; link: LinkOutcome };

/** The application with everything it stands on. */
export const App = ({ i18n, client, router, link }: Props) => {
  const [commands] = useState(() => new CommandStore());
  return (
    <CSPProvider disableStyleElements>
      <I18nextProvider i18n={i18n}>
        <QueryClientProvider client={client}>
          <CommandContext value={commands}>
            <TooltipProvider delay={450}>
              <SessionGate link={link}>
                <RouterProvider router={router} />
              </SessionGate>
              <Toaster position="bottom-right" gap={8} />
            </TooltipProvider>
          </CommandContext>
        </QueryClientProvider>
      </I18nextProvider>
    </CSPProvider>
  );
};
