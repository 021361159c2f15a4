import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { z } from "zod";

const Asked = z.object({ messages: z.array(z.object({ content: z.string() })).min(1) });

/** A provider of a model that takes its time: the answer to a message is the message, after `delayMs`. */
export class SlowModel {
  /** The messages in the order in which they came. */
  readonly asked: string[] = [];
  /** How many calls were broken off by the caller. */
  abandoned = 0;
  delayMs = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<SlowModel> {
    const server = createServer().listen(0, "127.0.0.1");
    const model = new SlowModel(server);
    server.on("request", async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
      const { messages } = Asked.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      const text = messages[0]?.content ?? "";
      model.asked.push(text);
      const timer = setTimeout(() => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(line({ content: text }, null));
        response.end(`${line({}, "stop")}data: [DONE]\n\n`);
      }, model.delayMs);
      response.on("close", () => {
        if (!response.writableFinished) model.abandoned += 1;
        clearTimeout(timer);
      });
    });
    await once(server, "listening");
    return model;
  }

  get baseUrl(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/v1`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function line(delta: object, finish_reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}
