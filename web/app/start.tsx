import "./index.css";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { I18nextProvider } from "react-i18next";
import { Toaster } from "sonner";
import { CommandContext } from "../commands/use-commands.ts";
import { CommandStore } from "../commands/command-store.ts";
import { SessionGate } from "../features/session/session-gate.tsx";
import { redeemLink } from "../features/session/redeem-link.ts";
import { createI18n } from "../i18n/index.ts";
import { TooltipProvider } from "../ui/tooltip.tsx";
import { createAppClient } from "./query-client.ts";
import { createAppRouter } from "./routes.tsx";

/** Puts the application on the page. A one-time link is redeemed first, so that nothing is asked for without a session. */
export async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (!root) return;
  const [i18n, link] = await Promise.all([createI18n(), redeemLink(window.location, window.history)]);
  const client = createAppClient();
  const router = createAppRouter();
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <I18nextProvider i18n={i18n}>
          <QueryClientProvider client={client}>
            <CommandContext value={new CommandStore()}>
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
    </StrictMode>,
  );
}
