import { createMemoryHistory } from "@tanstack/react-router";
import { configure, render } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { vi } from "vitest";
import { App } from "../app/app.tsx";
import { createAppClient } from "../app/query-client.ts";
import { createAppRouter } from "../app/routes.tsx";
import type { LinkOutcome } from "../features/session/redeem-link.ts";
import { createI18n } from "../i18n/index.ts";
import { prepareBrowser } from "./browser.ts";
import { makeMe } from "./entities.ts";
import { FakeServer } from "./fake-server.ts";

// How long a screen takes says nothing about whether it is right: the first one loads its code while other suites run.
configure({ asyncUtilTimeout: 20_000 });

export type TestApp = { server: FakeServer; user: UserEvent; at: () => string };

/** The whole application at an address, talking to `server`. Signed in as an owner unless the server says otherwise. */
export async function renderApp(path: string, prepare: (server: FakeServer) => void, link: LinkOutcome = "none"): Promise<TestApp> {
  prepareBrowser();
  const server = new FakeServer().answer("getMe", makeMe());
  prepare(server);
  vi.stubGlobal("fetch", server.fetch);
  const router = createAppRouter(createMemoryHistory({ initialEntries: [path] }));
  const user = userEvent.setup();
  render(<App i18n={await createI18n()} client={createAppClient()} router={router} link={link} />);
  return { server, user, at: () => router.state.location.href };
}
