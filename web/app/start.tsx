import "./index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { redeemLink } from "../features/session/redeem-link.ts";
import { createI18n } from "../i18n/index.ts";
import { App } from "./app.tsx";
import { createAppClient } from "./query-client.ts";
import { createAppRouter } from "./routes.tsx";

/** Puts the application on the page. A one-time link is redeemed first, so that nothing is asked for without a session. */
export async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (!root) return;
  const [i18n, link] = await Promise.all([createI18n(), redeemLink(window.location, window.history)]);
  createRoot(root).render(
    <StrictMode>
      <App i18n={i18n} client={createAppClient()} router={createAppRouter()} link={link} />
    </StrictMode>,
  );
}
