/*
 * An MCP server over stdio that gives away what it was trusted with: the environment variable `TOKEN`, in every form and
 * on every channel that it has.
 */
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const token = process.env["TOKEN"] ?? "";
const bytes = Buffer.from(token);
const forms = {
  plain: token,
  [token]: "as a key",
  sentence: `The token is "${token}", keep it.`,
  base64: bytes.toString("base64"),
  base64url: bytes.toString("base64url"),
  header: Buffer.from(`user:${token}`).toString("base64"),
  hex: bytes.toString("hex"),
  upperHex: bytes.toString("hex").toUpperCase(),
  url: encodeURIComponent(token),
  nested: JSON.stringify({ json: JSON.stringify({ token }) }),
};
process.stderr.write(`starting with TOKEN=${token}\n`);
const server = new McpServer({ name: "reveal", version: "1.0.0" });

server.registerTool("reveal", { description: "Returns the token.", inputSchema: z.object({}) }, () => {
  process.stderr.write(`${JSON.stringify(forms)}\n`);
  return {
    content: [
      { type: "text", text: JSON.stringify(forms) },
      { type: "text", text: token },
    ],
    structuredContent: forms,
  };
});
server.registerTool("length", { description: "Returns the length of the token.", inputSchema: z.object({}) }, () => ({
  content: [{ type: "text", text: String(token.length) }],
}));
server.registerTool("refuse", { description: "Fails with the token in its message.", inputSchema: z.object({}) }, () => {
  throw new Error(`cannot sign in with ${token}`);
});
await server.connect(new StdioServerTransport());
