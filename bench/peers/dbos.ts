import { DBOS } from "@dbos-inc/dbos-sdk";
import { databaseUrl, report, stepCount } from "./measure.ts";

DBOS.setConfig({ name: "bench", systemDatabaseUrl: databaseUrl, systemDatabasePoolSize: 20, logLevel: "error", runAdminServer: false });
const workflow = DBOS.registerWorkflow(
  async () => {
    let value = 0;
    for (let i = 0; i < stepCount; i += 1) value = await DBOS.runStep(async () => value + 1, { name: `step${i}` });
    return value;
  },
  { name: "chain" },
);
await DBOS.launch();
await report("dbos", async () => (await DBOS.startWorkflow(workflow)()).getResult());
await DBOS.shutdown();
process.exit(0);
