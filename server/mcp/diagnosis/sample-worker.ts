/* The thread in which samples are made: one at a time, so that whoever started the thread can end it with what it does. */
import { parentPort } from "node:worker_threads";
import { sampleOf } from "./schema-sample.ts";

const port = parentPort;
if (!port) throw new Error("This file is the main file of a worker thread.");
port.on("message", (schema: Record<string, unknown>) => port.postMessage(sampleOf(schema)));
port.postMessage("ready");
