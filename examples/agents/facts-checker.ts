import { parseArgs } from "node:util";
import { z } from "zod";
import { defineAgent, skill } from "#sdk/index.ts";
import { checkFacts } from "./facts/check.ts";
import { ComposeInput, composeReport } from "./facts/compose.ts";
import { processEnd } from "./process-end.ts";

/**
 * A custom agent in a process of its own. Usage:
 *   node examples/agents/facts-checker.ts --url http://127.0.0.1:4600 --token aut_agent_…
 * or with AUTERITY_URL (of many machines: the addresses of all workers, with commas between) and AUTERITY_AGENT_TOKEN. It prints one line when it is connected.
 */
const { values } = parseArgs({ options: { url: { type: "string" }, token: { type: "string" } } });
const url = values.url ?? process.env["AUTERITY_URL"] ?? "http://127.0.0.1:4600";
const token = values.token ?? process.env["AUTERITY_AGENT_TOKEN"] ?? "";

const agent = defineAgent({
  name: "facts",
  version: "1.0.0",
  url: url.split(","),
  token,
  concurrency: 16,
  skills: {
    check: skill({
      description: "Finds the amounts and dates of a text, and what is wrong with them: totals, impossible dates, due before issued.",
      effect: "none",
      input: z.object({ text: z.string() }),
      run: ({ text }) => checkFacts(text),
    }),
    compose: skill({
      description: "Writes the report on a folder of documents, in Markdown.",
      effect: "none",
      input: ComposeInput,
      run: (input) => composeReport(input),
    }),
  },
});

const end = processEnd();
try {
  await Promise.race([agent.start(), end]);
  console.log(`facts is connected to ${url}`);
  await Promise.race([end, agent.ended]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await agent.stop();
  process.stdin.destroy();
}
