import type { Launch } from "#contract/mcp/servers.ts";

/** What is started or called, in one line. */
export const launchLine = (launch: Launch): string =>
  launch.transport === "stdio" ? [launch.command, ...launch.args].join(" ") : launch.url;

const SHOWN_SEGMENTS = 3;

/** The same with long paths cut to their ends, where they differ. */
export function shortLaunchLine(launch: Launch): string {
  if (launch.transport !== "stdio") return launch.url;
  const command = launch.command.split("/").at(-1) ?? launch.command;
  return [command, ...launch.args.map(shortPath)].join(" ");
}

function shortPath(text: string): string {
  const segments = text.split("/");
  return text.startsWith("/") && segments.length > SHOWN_SEGMENTS + 1 ? `…/${segments.slice(-SHOWN_SEGMENTS).join("/")}` : text;
}
