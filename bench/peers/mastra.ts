import { Mastra } from "@mastra/core";
import { createStep, createWorkflow } from "@mastra/core/workflows";
import { PostgresStore } from "@mastra/pg";
import { z } from "zod";
import { databaseUrl, report, stepCount } from "./measure.ts";

const schema = z.object({ value: z.number() });
const step = (i: number) =>
  createStep({
    id: `step${i}`,
    inputSchema: schema,
    outputSchema: schema,
    execute: async ({ inputData }) => ({ value: inputData.value + 1 }),
  });
let chain = createWorkflow({ id: "chain", inputSchema: schema, outputSchema: schema });
for (let i = 0; i < stepCount; i += 1) chain = chain.then(step(i));
chain.commit();

const storage = new PostgresStore({ id: "bench", connectionString: databaseUrl, max: 20 });
const mastra = new Mastra({ workflows: { chain }, storage, logger: false });
const workflow = mastra.getWorkflow("chain");
await storage.init();
await report("mastra", async () => {
  const run = await workflow.createRun();
  const result = await run.start({ inputData: { value: 0 } });
  if (result.status !== "success") throw new Error(`the run ended ${result.status}`);
});
process.exit(0);
