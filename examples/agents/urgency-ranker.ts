import { once } from "node:events";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import type { AgentCard } from "@a2a-js/sdk";
import { DefaultRequestHandler, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { UserBuilder, agentCardHandler, jsonRpcHandler } from "@a2a-js/sdk/server/express";
import express from "express";
import { processEnd } from "./process-end.ts";
import { urgencyExecutor } from "./urgency/executor.ts";

/**
 * An A2A agent in a process of its own, on loopback. Usage: `node examples/agents/urgency-ranker.ts --port 4700`, or with
 * PORT; without either the system chooses. It prints one line when it listens.
 */
const { values } = parseArgs({ options: { port: { type: "string" } } });
const server = createServer().listen(Number(values.port ?? process.env["PORT"] ?? 0), "127.0.0.1");
await once(server, "listening");
const address = server.address();
const url = `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;

const card: AgentCard = {
  name: "Urgency ranker",
  description: "Ranks findings by urgency and says why.",
  version: "1.0.0",
  supportedInterfaces: [{ url: `${url}/a2a`, protocolBinding: "JSONRPC", protocolVersion: "1.0", tenant: "" }],
  provider: undefined,
  capabilities: { streaming: true, pushNotifications: false, extensions: [] },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ["application/json"],
  defaultOutputModes: ["application/json", "text/plain"],
  skills: [
    {
      id: "rank",
      name: "Rank by urgency",
      description:
        "Takes `items` with id, label, summary, issues and dates; answers with a list, most urgent first, with scores and reasons.",
      tags: ["triage"],
      examples: [],
      inputModes: [],
      outputModes: [],
      securityRequirements: [],
    },
  ],
  signatures: [],
};

const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), urgencyExecutor);
const app = express();
app.use(express.json({ limit: "4mb" }));
app.use("/.well-known/agent-card.json", agentCardHandler({ agentCardProvider: requestHandler }));
app.use("/a2a", jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
server.on("request", app);
const end = processEnd();
console.log(`urgency listens at ${url}`);

await end;
server.close();
server.closeAllConnections();
process.stdin.destroy();
