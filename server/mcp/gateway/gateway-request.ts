import type { IncomingHttpHeaders } from "node:http";
import type { Permission } from "#contract/permissions.ts";
import type { Caller } from "#server/kernel/caller.ts";

/** A request as the HTTP layer hands it over: who sends it is known, its body is JSON within the limits. */
export type GatewayRequest = {
  caller: Caller;
  /** The server's name in the path; absent where all are served as one. */
  server: string | undefined;
  /** The path with its query. */
  url: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: unknown;
  /** Throws `permission_denied`, audited, unless the caller has it. */
  need: (permission: Permission) => Promise<void>;
  /** Whether the credentials of this request are still good. */
  mayGoOn: () => Promise<boolean>;
};
