import { Option, type Command } from "commander";
import { Environment } from "#contract/common.ts";
import * as frames from "./commands/frames.ts";
import * as mcp from "./commands/mcp.ts";
import * as mcpCatalogue from "./commands/mcp-catalogue.ts";
import * as control from "./commands/mcp-control.ts";
import * as mcpImport from "./commands/mcp-import.ts";
import * as mcpQuestions from "./commands/mcp-questions.ts";
import * as mcpUpdate from "./commands/mcp-update.ts";
import * as mcpTest from "./commands/mcp-test.ts";
import { connect } from "./connection.ts";
import { exitWith, standingFor, withServer } from "./options.ts";
import { addToolCommands } from "./tool-commands.ts";

/** `auterity mcp …` */
export function addMcpCommands(program: Command): void {
  const mcpCommand = program
    .command("mcp")
    .description("manage MCP servers and their tools")
    .addHelpText("after", "\nA server is named by its name, or by its id where production and test both have one of that name.");
  standingFor(withServer(mcpCommand.command("list", { isDefault: true })))
    .description("list the servers, newest first")
    .option("--search <words>", "only those with these words in their name or description")
    .addOption(new Option("--state <state>", "only those in this state").choices(mcp.STATES))
    .addOption(new Option("--env <environment>", "only those of this environment").choices(Environment.options))
    .addOption(new Option("--approval <approval>", "whether the launch is approved or waits for that").choices(mcp.APPROVALS))
    .action((options) => mcp.listServers(connect(options), options));
  addToolCommands(mcpCommand);
  withServer(mcpCommand.command("import <what>"))
    .description("register servers: a file of another program, an address, or a command line in quotes")
    .option("--preview", "only say what would happen")
    .option("--only <keys...>", "only these servers of the document; key=name gives one another name")
    .option("--input <values...>", "values that the document asks for: id=value")
    .addOption(environment())
    .addOption(new Option("--on-clash <what>", "what becomes of a server whose name is taken").choices(["fail", "rename", "skip"]))
    .option("--no-start", "only register them")
    .action(async (what: string, options) => exitWith(await mcpImport.importServers(connect(options), what, options)));
  withServer(mcpCommand.command("catalogue [words...]"))
    .description("list well-known servers that `mcp add` registers")
    .action((words: string[], options) => mcpCatalogue.listWellKnown(connect(options), words, options.output));
  withServer(mcpCommand.command("add <id>"))
    .description("register a server of the catalogue")
    .option("--name <name>", "what it is to be called")
    .option("--input <values...>", "what it asks for: id=value")
    .addOption(environment())
    .option("--no-start", "only register it")
    .action(async (id: string, options) => exitWith(await mcpCatalogue.addWellKnown(connect(options), id, options)));
  withServer(mcpCommand.command("update <server>"))
    .description("change a server; another launch waits for approval unless you may approve it")
    .option("--name <name>", "another name")
    .option("--description <text>", "what it is for")
    .option("--launch <file>", "a whole launch, in JSON or YAML")
    .option("--set <values...>", "settings: key=value; null restores a default")
    .action(async (name: string, options) => exitWith(await mcpUpdate.updateServer(connect(options), name, options)));
  withServer(mcpCommand.command("call <server/tool> [arguments...]"))
    .description("call a tool once and print what it answers; arguments are JSON, @file or key=value pairs")
    .action(async (name: string, input: string[], options) =>
      exitWith(await mcp.callTool(connect(options), name, { input, output: options.output })),
    );
  addControlCommands(mcpCommand);
  addQuestionCommands(mcpCommand);
  addTestCommands(mcpCommand);
  addRecordCommands(mcpCommand);
}

const environment = () => new Option("--env <environment>", "where they belong (default: production)").choices(Environment.options);

/** The life of a server. */
function addControlCommands(mcpCommand: Command): void {
  const { start, stop, restart, release, quarantine } = control;
  const acts = [
    ["start", "start a server and wait until it is ready", start],
    ["stop", "stop a server and its whole process tree", stop],
    ["restart", "stop, then start", restart],
    ["release", "let a server out of quarantine, and start it if it is wanted", release],
  ] as const;
  for (const [name, description, act] of acts) {
    withServer(mcpCommand.command(`${name} <server>`))
      .description(description)
      .action(async (server: string, { output, ...options }) =>
        exitWith(await control.controlServer(connect(options), server, { act, output })),
      );
  }
  withServer(mcpCommand.command("quarantine <server>"))
    .description("take a server out: its processes end, and nobody calls it until it is released")
    .requiredOption("--reason <text>", "why")
    .action(async (server: string, { output, reason, ...options }) =>
      exitWith(await control.controlServer(connect(options), server, { act: quarantine(reason), output })),
    );
  withServer(mcpCommand.command("approve-launch <server>"))
    .description("approve exactly what the server would run now, and the roots that it would work in")
    .option("--hash <hash>", "only if it is still the `launchHash` that `mcp get` has shown")
    .action(async (server: string, options) => exitWith(await control.approveLaunch(connect(options), server, options)));
  withServer(mcpCommand.command("remove <server>"))
    .description("stop a server and delete it, with the secrets that its import has stored")
    .action((server: string, options) => control.removeServer(connect(options), server));
  withServer(mcpCommand.command("get <server>"))
    .description("show all of a server: launch, settings, state, health, why it is not running")
    .action((server: string, options) => control.showServer(connect(options), server, options.output));
  withServer(mcpCommand.command("processes <server>"))
    .description("list the newest starts of a server and what its processes use")
    .action((server: string, options) => control.listProcesses(connect(options), server, options.output));
  withServer(mcpCommand.command("calls <server>"))
    .description("show what runs and waits, how calls ended, and what the breakers say")
    .action((server: string, options) => control.listCalls(connect(options), server, options.output));
}

/** What servers ask of people. */
function addQuestionCommands(mcpCommand: Command): void {
  withServer(mcpCommand.command("questions"))
    .description("list what servers ask of people, newest first")
    .addOption(new Option("--status <status>", "only those with this status").choices(mcpQuestions.QUESTION_STATUSES).default("pending"))
    .option("--run <id>", "only what this run's steps wait for")
    .option("--limit <n>", "how many", "50")
    .action((options) => mcpQuestions.listQuestions(connect(options), options));
  withServer(mcpCommand.command("answer <id>"))
    .description("answer a question; without an answer, show what is asked for and how to say it")
    .option("--accept [fields...]", "say yes, with what the form asks for: field=value; without fields: the page was visited")
    .option("--input <form>", "say yes, with the whole form: JSON or @file")
    .option("--decline", "say no")
    .option("--cancel", "say nothing")
    .action(async (id: string, options) => exitWith(await mcpQuestions.answerQuestion(connect(options), id, options)));
}

function addTestCommands(mcpCommand: Command): void {
  withServer(mcpCommand.command("test <server>"))
    .description("launch or connect apart from what runs, shake hands, list, ping and call one tool")
    .option("--tool <name>", "the tool to call; else one that only reads")
    .option("--arguments <values...>", "its arguments: JSON, @file or key=value pairs; else a sample")
    .action(async (name: string, options) => exitWith(await mcpTest.testServer(connect(options), name, options)));
  withServer(mcpCommand.command("check <server>"))
    .description("find what would keep a server from working, without starting it")
    .action(async (name: string, options) => exitWith(await mcpTest.checkServer(connect(options), name, options.output)));
}

/** What a server has said. */
function addRecordCommands(mcpCommand: Command): void {
  withServer(mcpCommand.command("logs <server>"))
    .description("print the newest lines of a server's log")
    .option("-f, --follow", "and those that come")
    .option("--grep <text>", "only lines with this text")
    .option("--lines <n>", "how many", "50")
    .addOption(new Option("--stream <stream>", "only lines of this kind").choices(mcp.STREAMS))
    .addOption(new Option("--level <level>", "only messages that are at least so serious").choices(mcp.LEVELS))
    .action((name: string, options) => mcp.showLogs(connect(options), name, options));
  withServer(mcpCommand.command("frames <server>"))
    .description("show what went to a server and came from it")
    .option("-f, --follow", "go on with what comes")
    .option("--errors", "only answers that tell of a failure")
    .option("--tool <name>", "only calls of this tool and their answers")
    .option("--run <id>", "only what this run caused, oldest first")
    .option("--limit <n>", "how many", "50")
    .action((name: string, options) =>
      (options.follow === true ? frames.followServerFrames : frames.listFrames)(connect(options), name, options),
    );
  withServer(mcpCommand.command("replay <frame>"))
    .description("send a recorded request again, under the rules of now")
    .action((id: string, options) => frames.replayFrame(connect(options), id, options.output));
}
