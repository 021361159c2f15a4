/* The thread in which code runs: one piece at a time, so that whoever started the thread can end it with what it runs. */
import { parentPort } from "node:worker_threads";
import { createSandbox, type CodeCall } from "./code-sandbox.ts";

const port = parentPort;
if (!port) throw new Error("This file is the main file of a worker thread.");
const run = await createSandbox();
port.on("message", (call: CodeCall) => void run(call).then((outcome) => port.postMessage(outcome)));
port.postMessage("ready");
