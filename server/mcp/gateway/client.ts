import type { Implementation, ServerCapabilities } from "@modelcontextprotocol/server";
import type { FrameRecorder } from "../connection/frames.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Exposure } from "./exposure.ts";
import type { Find } from "./find.ts";
import type { InputState } from "./input-state.ts";

/** Who is served, and what. */
export type Client = {
  /** Tells endpoints apart. */
  key: string;
  exposure: Exposure;
  find: Find;
  /** One server as it is, not all of them as one. */
  isOne: boolean;
  info: Implementation;
  instructions: string | undefined;
  capabilities: ServerCapabilities;
  /** The caller, as calls and audit rows name it. */
  actor: string;
  /** Of the 2025 era. In the 2026 era each request stands alone. */
  isSession: boolean;
  /** Whose connection it is, where a server has one for each session. */
  sessionKey: string;
  frames: FrameRecorder;
  input: InputState;
  /** Tells the audit trail that a call's client did not wait for its result. */
  onLeft: (call: { server: SupervisedServer; tool: string }) => Promise<void>;
};
