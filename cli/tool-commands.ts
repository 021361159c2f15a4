import { Option, type Command } from "commander";
import * as tools from "./commands/mcp-tools.ts";
import { connect } from "./connection.ts";
import { exitWith, withServer } from "./options.ts";

const hash = () => new Option("--hash <hash>", "only if this is still what is listed, as `mcp diff` has shown it");

/** What `auterity mcp` does with tools: look, compare, decide. */
export function addToolCommands(mcpCommand: Command): void {
  withServer(mcpCommand.command("tools"))
    .description("list the tools of all servers")
    .option("--pending", "only those that wait for a decision: new, or changed since they were approved")
    .option("--flagged", "only those that were approved before the scan found something, because another server has come")
    .option("--search <words>", "only those with these words")
    .addOption(new Option("--approval <state>", "only those that stand so").choices(tools.TOOL_APPROVALS))
    .action((options) => tools.listTools(connect(options), options));
  withServer(mcpCommand.command("diff <server/tool>"))
    .description("compare what was approved with what is listed now, and say what uses the tool")
    .option("--from <hash>", "instead of what was approved")
    .option("--to <hash>", "instead of what is listed now")
    .action((name: string, options) => tools.showDiff(connect(options), name, options));
  withServer(mcpCommand.command("approve [server/tool]"))
    .description("approve exactly what is listed now")
    .option("--all", "everything that waits for a decision, except what the scan holds back")
    .option("--server <name>", "with --all: only this server's")
    .addOption(hash())
    .option("--accept-findings", "also what the scan holds back")
    .addOption(new Option("--effect <effect>", "what a call does; by default what the tool says").choices(tools.EFFECTS))
    .action(async (name: string | undefined, options) => exitWith(await tools.approveTools(connect(options), name, options)));
  withServer(mcpCommand.command("reject <server/tool>"))
    .description("reject what is listed now; steps that wait for it fail")
    .requiredOption("--reason <text>", "why")
    .addOption(hash())
    .action(async (name: string, options) => exitWith(await tools.rejectTool(connect(options), name, options)));
  withServer(mcpCommand.command("disable <server/tool>"))
    .description("take a tool out of use, whatever its server lists")
    .requiredOption("--reason <text>", "why")
    .action((name: string, options) => tools.disableTool(connect(options), name, options));
  withServer(mcpCommand.command("enable <server/tool>"))
    .description("let a tool be used again, if what its server lists was approved")
    .action((name: string, options) => tools.enableTool(connect(options), name, options.output));
}
