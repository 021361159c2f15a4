import { McpServer, type Implementation, type JSONRPCMessage } from "@modelcontextprotocol/server";
import type { FrameRecorder } from "../connection/frames.ts";
import { schemaOf, type Exposure } from "./exposure.ts";

/** The SDK compares headers that repeat a parameter with the tool's own schema; only a server of its own class is asked for it. */
export class ExposedServer extends McpServer {
  readonly #exposure: Exposure;

  constructor(info: Implementation, options: ConstructorParameters<typeof McpServer>[1], exposure: Exposure) {
    super(info, options);
    this.#exposure = exposure;
  }

  override toolInputSchemaJson(name: string): Record<string, unknown> | undefined {
    return schemaOf(this.#exposure, name);
  }
}

type Recorded = {
  mcp: McpServer;
  frames: FrameRecorder;
  /** What is sent instead of a message. */
  plain: (message: JSONRPCMessage) => JSONRPCMessage;
};

/** Whatever crosses the transport, both ways. */
export function recordFrames({ mcp: { server }, frames, plain }: Recorded): void {
  const connect = server.connect.bind(server);
  server.connect = async (transport) => {
    const send = transport.send.bind(transport);
    transport.send = (given, options) => {
      const message = plain(given);
      frames.sent(message, JSON.stringify(message));
      return send(message, options);
    };
    await connect(transport);
    const { onmessage } = transport;
    transport.onmessage = (message, extra) => {
      frames.received(message, JSON.stringify(message));
      onmessage?.(message, extra);
    };
  };
}
