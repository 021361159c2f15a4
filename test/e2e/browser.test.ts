import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { readDocument } from "#cli/definition-file.ts";
import { accessibilityProblems, launchBrowser, openPage } from "#test/support/screenshot.ts";
import { PlatformProcess } from "#test/support/platform.ts";

const FLAGSHIP = "Service desk triage";
const PAYMENT = "Payment with an approval";

describe("the web app", () => {
  const platform = new PlatformProcess();
  let browser: Browser;
  let page: Page;
  let context: BrowserContext;
  let problems: readonly string[] = [];

  beforeAll(async () => {
    await platform.start([]);
    await platform.printed(/Press Ctrl\+C/);
    browser = await launchBrowser(process.env["CHROMIUM_PATH"]);
    ({ page, context, problems } = await openPage(browser));
  });
  afterAll(async () => {
    // First what outlives this process: the browser may not even have been started.
    await platform.dispose();
    await browser.close();
  });

  const link = (): string => /http:\/\/\S+\?t=\S+/.exec(platform.output)?.[0] ?? "";
  const heading = (name: string) => page.getByRole("heading", { name: new RegExp(`^${name}( v\\d+)?$`), level: 1 });

  test("without a session it says how to get in", async () => {
    const { page: stranger, context: strange } = await openPage(browser);
    await stranger.goto(`${platform.url}/runs`);
    await stranger.getByText("auterity link").first().waitFor();
    await strange.close();
  });

  test("the printed link signs in, once, and leaves no code in the address", async () => {
    await page.goto(link());
    await heading("Workflows").waitFor();
    expect(page.url()).not.toContain("t=");
    const { page: second, context: other } = await openPage(browser);
    await second.goto(link());
    await second.getByText("auterity link").first().waitFor();
    await other.close();
  });

  test("shows the flagship's graph, its steps within reach of the keyboard", async () => {
    await page.getByRole("link", { name: FLAGSHIP, exact: true }).first().click();
    await heading(FLAGSHIP).waitFor();
    await page.locator(".react-flow__node").first().waitFor();
    expect(await page.locator(".react-flow__node").count()).toBeGreaterThanOrEqual(13);
  });

  test("shows a finished run: graph, timeline, messages, raw events, a step's output", async () => {
    await page.getByRole("link", { name: "Runs", exact: true }).first().click();
    await heading("Runs").waitFor();
    await page
      .getByRole("link", { name: new RegExp(FLAGSHIP) })
      .first()
      .click();
    await heading(FLAGSHIP).waitFor();
    await page.getByText("Succeeded").first().waitFor();
    await page.locator(".react-flow__node").first().waitFor();
    await page.getByRole("tab", { name: /Messages/ }).click();
    await page.getByText("tools/call").first().waitFor();
    await page.getByRole("tab", { name: /Timeline/ }).click();
    await page
      .getByRole("treeitem", { name: /Each document/ })
      .first()
      .waitFor();
    await page
      .getByRole("treeitem", { name: /Rank what is urgent/ })
      .first()
      .click();
    await page.getByText("recall-notice-steering.md").first().waitFor();
    expect(page.url()).toMatch(/step=rank/);
    await page.getByRole("tab", { name: /Raw events/ }).click();
    await page.getByText("run_created").first().waitFor();
  });

  test("starts a run from a form and follows it to its end", async () => {
    const definition = Json.parse(readDocument("templates/hello.yaml"));
    await platform.client.createWorkflow({ body: { name: "Hello", definition } });
    await page.getByRole("link", { name: "Workflows", exact: true }).first().click();
    // Nobody reloads: the list hears of it.
    await page.getByRole("link", { name: "Hello", exact: true }).first().click();
    await heading("Hello").waitFor();
    await page.getByRole("button", { name: "Run", exact: true }).first().click();
    await page.getByRole("textbox", { name: /name/i }).fill("Ada");
    await page
      .getByRole("dialog")
      .getByRole("button", { name: /^(Run|Start)/ })
      .click();
    await page.getByText("Hello, Ada!").first().waitFor();
    await page.getByText("Succeeded").first().waitFor();
  });

  test("approves in the browser what a run waits for, and sees it go on", async () => {
    const definition: DefinitionInput = {
      version: 2,
      name: PAYMENT,
      nodes: [
        { id: "start", type: "start" },
        {
          id: "ask",
          type: "approval",
          label: "May we pay?",
          data: { message: "Pay 1200 to Ada?", approvers: ["role:owner"], arguments: { amount: 1200 } },
        },
        { id: "end", type: "end", data: { output: "=steps.ask.arguments" } },
      ],
      edges: [
        { id: "e1", source: "start", target: "ask" },
        { id: "e2", source: "ask", target: "end" },
      ],
    };
    const { id } = await platform.client.createWorkflow({ body: { name: PAYMENT, definition: Json.parse(definition) } });
    const run = await platform.client.startRun({ params: { id }, body: {} });
    await page.getByRole("link", { name: "Approvals", exact: true }).first().click();
    await page.getByText("Pay 1200 to Ada?").waitFor();
    await page.getByRole("link", { name: `Step ask of ${PAYMENT}` }).click();
    await heading(PAYMENT).waitFor();
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await page.locator("output").getByText("Succeeded").waitFor();
    expect(page.url()).toContain(run.id);
    expect(await platform.client.getRun({ params: { id: run.id } })).toMatchObject({ status: "succeeded", output: { amount: 1200 } });
  });

  test("shows servers and agents with their state", async () => {
    await page.getByRole("link", { name: "MCP servers", exact: true }).first().click();
    await heading("MCP servers").waitFor();
    await page.getByText("Ready").first().waitFor();
    await page.getByRole("link", { name: "Agents", exact: true }).first().click();
    await page.getByText("urgency").first().waitFor();
  });

  test("opens the command palette by the keyboard", async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").getByRole("combobox").fill("runs");
    await page.keyboard.press("Enter");
    await heading("Runs").waitFor();
  });

  test.each(["light", "dark"] as const)("has no accessibility problem in the %s theme, and fits a phone", async (theme) => {
    const { items } = await platform.client.listRuns({ query: { limit: 50 } });
    const run = items.find(({ workflowName }) => workflowName === FLAGSHIP);
    const paths = [
      "/workflows",
      "/runs",
      "/approvals",
      `/runs/${run?.id ?? ""}?tab=timeline`,
      `/runs/${run?.id ?? ""}?tab=messages`,
      "/mcp-servers",
      "/agents",
    ];
    const state = await context.storageState();
    for (const viewport of ["laptop", "small"] as const) {
      const look = await openPage(browser, { theme, viewport });
      await look.context.addCookies(state.cookies);
      for (const path of paths) {
        await look.page.goto(`${platform.url}${path}`);
        await look.page.getByRole("heading", { level: 1 }).waitFor();
        await look.page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
        expect(await accessibilityProblems(look.page), `${viewport} ${path}`).toEqual([]);
        const overflow = await look.page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        expect(overflow, `${viewport} ${path} scrolls sideways`).toBeLessThanOrEqual(0);
      }
      await look.context.close();
    }
  });

  test("no page has broken its content policy or thrown", () => {
    expect(problems).toEqual([]);
  });
});
