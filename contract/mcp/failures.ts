import { z } from "zod";
import { ErrorClass, type ErrorCode } from "../errors.ts";

/** Every class of a failed connection, with the likely cause. What to do next is the code's remedy. */
export const FAILURE_CAUSES = {
  mcp_command_not_found: "The command is not installed on the platform's machine, or not in the folders where servers find commands.",
  mcp_command_not_executable: "A file of this name exists, but it is no program that this user may run.",
  mcp_exited: "The program ended by itself: an argument, an environment variable or a file that it needs is missing.",
  mcp_no_handshake: "The program runs but does not speak MCP over its input and output, or waits for something else.",
  mcp_output_invalid: "The program is no MCP server, or prints its own text where only messages may be.",
  mcp_version_unsupported: "The server speaks only protocol versions that this client does not.",
  mcp_connection_refused: "Nothing listens at this host and port, or a firewall is in between.",
  mcp_dns_failed: "The host name does not exist, or no name server answers.",
  mcp_tls_failed: "The server's certificate cannot be trusted for this name.",
  mcp_unauthorized: "The credential is missing, wrong or expired.",
  mcp_forbidden: "The credential is known to the server but lacks a right, or the server refuses this client.",
  mcp_endpoint_wrong: "There is a web server at this address, but MCP is at another path.",
  mcp_server_failed: "The server, or a proxy in front of it, is broken or overloaded.",
  mcp_redirect_refused: "The server has moved, or wants to be called by another address.",
  mcp_over_limit: "The server needs more than its launch allows it, or has gone out of control.",
  mcp_sandbox_unavailable: "The sandbox that the launch asks for cannot be made on this machine.",
  mcp_timeout: "The server is overloaded or stuck, or a firewall swallows what is sent.",
  mcp_protocol_error: "The server answered, but with an error or against the protocol.",
  mcp_message_too_large: "The server sent one message that is larger than any message may be.",
  mcp_handshake_failed: "What answers is not an MCP server, or gave up during the handshake.",
  egress_denied: "The address leads inside, and no owner has allowed it.",
  launch_not_approved: "Nobody has approved this launch, or what it would run has changed since.",
  secret_missing: "The launch refers to a secret that is not in the vault.",
} as const satisfies Partial<Record<ErrorCode, string>>;

export type FailureCode = keyof typeof FAILURE_CAUSES;
export const FAILURE_CODES = Object.keys(FAILURE_CAUSES).filter(isFailureCode);

export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURE_CAUSES, code);
}

/** What was seen, with secrets taken out. Texts are cut. */
export const FailureEvidence = z.object({
  /** How the process ended. */
  exit: z.string().optional(),
  /** The last lines. */
  stderr: z.string().optional(),
  /** The first text on the output that was not a message. */
  output: z.string().optional(),
  /** The last HTTP answer that was not MCP, with the headers that explain it. */
  http: z.object({ status: z.number().int(), headers: z.record(z.string(), z.string()), body: z.string() }).optional(),
  /** What the operating system or a library said. */
  error: z.string().optional(),
});
export type FailureEvidence = z.infer<typeof FailureEvidence>;

/** A failed connection, explained. */
export const ConnectionFailureView = z.object({
  code: z.string(),
  class: ErrorClass,
  message: z.string(),
  cause: z.string(),
  remedy: z.string(),
  evidence: FailureEvidence,
});
export type ConnectionFailureView = z.infer<typeof ConnectionFailureView>;
