import { z } from "zod";

/** What whoever approves a launch should look at. Those of the first line are approved by nobody's registration but an owner's. */
export const LAUNCH_WARNINGS = [
  ...(["inline_code", "remote_code", "host_access", "debugger_open"] as const),
  ...([
    "unpinned_package",
    "script_unpinned",
    "starts_another",
    "host_folder",
    "plain_http",
    "secret_in_arguments",
    "secret_in_address",
  ] as const),
  ...(["unknown_command", "command_not_found", "unconfined", "placeholder", "ignored"] as const),
] as const;

export const LaunchWarning = z.object({ code: z.enum(LAUNCH_WARNINGS), message: z.string() });
export type LaunchWarning = z.infer<typeof LaunchWarning>;
