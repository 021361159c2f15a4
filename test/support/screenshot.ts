import { AxeBuilder } from "@axe-core/playwright";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** Chromium without anything that calls home. As root it cannot build its sandbox, and does without. */
export function launchBrowser(executablePath = CHROMIUM): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath,
    args: [
      ...(isRoot ? ["--no-sandbox"] : []),
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-default-apps",
      "--disable-domain-reliability",
      "--disable-sync",
      "--disable-features=MediaRouter,OptimizationHints,Translate",
      "--metrics-recording-only",
      "--no-first-run",
      "--no-pings",
    ],
  });
}

export const VIEWPORTS = {
  laptop: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
  small: { width: 320, height: 640 },
} as const;

export type Look = { theme?: "light" | "dark"; viewport?: keyof typeof VIEWPORTS };
export type WatchedPage = {
  page: Page;
  context: BrowserContext;
  /** Errors of the page so far: uncaught ones, what it wrote to the console, and what its security policy refused. */
  problems: readonly string[];
};

/** A page in a browser session of its own, watched for errors. Close `context` when done. */
export async function openPage(browser: Browser, { theme = "light", viewport = "laptop" }: Look = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: VIEWPORTS[viewport], colorScheme: theme, reducedMotion: "reduce" });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  return { page, context, problems };
}

/** What axe finds wrong on the page as it is now, one line per rule and place. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help} at ${target.join(" ")} (${failureSummary})`),
  );
}
