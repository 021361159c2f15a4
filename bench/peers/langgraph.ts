import { randomUUID } from "node:crypto";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import pg from "pg";
import { databaseUrl, report, stepCount } from "./measure.ts";

const State = Annotation.Root({ value: Annotation<number> });
let graph = new StateGraph(State);
for (let i = 0; i < stepCount; i += 1) graph = graph.addNode(`step${i}`, async ({ value }) => ({ value: value + 1 }));
graph = graph.addEdge(START, "step0").addEdge(`step${stepCount - 1}`, END);
for (let i = 1; i < stepCount; i += 1) graph = graph.addEdge(`step${i - 1}`, `step${i}`);

const checkpointer = new PostgresSaver(new pg.Pool({ connectionString: databaseUrl, max: 20 }));
await checkpointer.setup();
const app = graph.compile({ checkpointer });
await report("langgraph", () => app.invoke({ value: 0 }, { configurable: { thread_id: randomUUID() }, durability: "sync" }));
process.exit(0);
