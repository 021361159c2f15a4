import { Command, Option } from "commander";
import { CatchUp, Overlap } from "#contract/triggers.ts";
import * as agents from "./commands/agents.ts";
import * as approvals from "./commands/approvals.ts";
import * as data from "./commands/data.ts";
import { runFile } from "./commands/run.ts";
import * as runs from "./commands/runs.ts";
import { printLink, start } from "./commands/start.ts";
import * as triggers from "./commands/triggers.ts";
import { validateFile } from "./commands/validate.ts";
import * as workflows from "./commands/workflows.ts";
import { connect } from "./connection.ts";
import { endWithReader, explain } from "./explain.ts";
import { addMcpCommands } from "./mcp-commands.ts";
import { exitWith, output, standingFor, withServer } from "./options.ts";

const program = new Command("auterity").description("Runs and orchestrates workflows of agents.").showHelpAfterError();
standingFor(program.command("start", { isDefault: true }))
  .description("start the platform and run the flagship workflow once")
  .option("--no-demo", "only start the platform")
  .addOption(new Option("--install-ms <ms>").hideHelp())
  .action(async (options) => exitWith(await start(options)));

withServer(program.command("run"))
  .description("save a workflow file, run it and print its output")
  .argument("<file>", "a definition in JSON or YAML")
  .argument("[input...]", "JSON, @file or key=value pairs")
  .action(async (file: string, input: string[], options) => exitWith(await runFile(file, input, options)));

program
  .command("validate")
  .description("check a workflow file")
  .argument("<file>", "a definition in JSON or YAML")
  .addOption(output())
  .action((file: string, options) => exitWith(validateFile(file, options.output)));

const runCommand = program.command("runs").description("list, read and control runs");
standingFor(withServer(runCommand.command("list", { isDefault: true })))
  .description("list runs, newest first")
  .option("--status <statuses>", "comma-separated statuses")
  .option("--limit <n>", "how many", "20")
  .addOption(new Option("--mode <mode>", "only such runs").choices(["production", "editor"]))
  .option("--dead", "only runs that wait for being requeued")
  .action((options) => runs.listRuns(connect(options), options));
withServer(runCommand.command("get <id>"))
  .description("show all of a run")
  .action((id: string, options) => runs.showRun(connect(options), id, options.output));
withServer(runCommand.command("follow <id>"))
  .description("print a run's steps as they end, until it is over")
  .action(async (id: string, options) => exitWith(await runs.followRun(connect(options), id)));
withServer(runCommand.command("cancel <id>"))
  .description("end a run and undo what has to be undone")
  .option("--reason <text>", "why")
  .action((id: string, options) => runs.cancelRun(connect(options), id, options.reason));
withServer(runCommand.command("retry <id>"))
  .description("start a new run that goes on where this one failed")
  .addOption(new Option("--from <place>", "`start`: all of it again").choices(["failed", "start"]))
  .action((id: string, options) => runs.retryRun(connect(options), id, options));
withServer(runCommand.command("fork <id>"))
  .description("start a new run that executes one step again, and all that depends on it")
  .requiredOption("--node <id>", "the step's node")
  .option("--scope <path>", "where the step is, inside a container: /each[3]")
  .option("--input <values...>", "another input: JSON, @file or key=value pairs")
  .option("--context <values...>", "keys of the context to set first")
  .action((id: string, options) => runs.forkRun(connect(options), id, options));
withServer(runCommand.command("pause <id>"))
  .description("begin nothing new until somebody resumes the run")
  .option("--reason <text>", "why")
  .action((id: string, options) => runs.pauseRun(connect(options), id, options.reason));
withServer(runCommand.command("signal <id> <signal>"))
  .description("send a signal to a run that waits for it, or will")
  .option("--payload <values...>", "JSON, @file or key=value pairs", [])
  .action((id: string, signal: string, options) => runs.signalRun(connect(options), { id, signal }, options.payload));
withServer(runCommand.command("requeue <id>"))
  .description("let workers take a dead run up again")
  .action((id: string, options) => runs.requeueRun(connect(options), id));
withServer(runCommand.command("resume <id>"))
  .description("go on with a paused run or, with --answer, tell whether a step's effect happened")
  .addOption(new Option("--answer <answer>").choices(["happened", "did_not_happen", "run_again"]))
  .option("--node <id>", "only this node's question")
  .action((id: string, options) => runs.resumeRun(connect(options), id, options));

const approvalCommand = program.command("approvals").description("list what waits for a decision, and decide");
standingFor(withServer(approvalCommand.command("list", { isDefault: true })))
  .description("list approvals, newest first")
  .addOption(new Option("--status <status>", "only those with this status").choices(approvals.APPROVAL_STATUSES).default("pending"))
  .action((options) => approvals.listApprovals(connect(options), options));
withServer(approvalCommand.command("get <id>"))
  .description("show all of an approval")
  .action((id: string, options) => approvals.showApproval(connect(options), id, options.output));
withServer(approvalCommand.command("approve <id>"))
  .description("say yes, to what was asked or to other arguments")
  .option("--comment <text>", "why")
  .option("--arguments <values...>", "approve this instead: JSON, @file or key=value pairs")
  .action((id: string, options) => approvals.decideApproval(connect(options), id, { ...options, decision: "approve" }));
withServer(approvalCommand.command("reject <id>"))
  .description("say no")
  .option("--comment <text>", "why")
  .action((id: string, options) => approvals.decideApproval(connect(options), id, { ...options, decision: "reject" }));
withServer(approvalCommand.command("delegate <id> <to>"))
  .description("let somebody else decide too: role:<role> or user:<id>")
  .action((id: string, to: string, options) => approvals.delegateApproval(connect(options), id, to));

const workflowCommand = program.command("workflows").description("list workflows and their versions, and move runs between those");
standingFor(withServer(workflowCommand.command("list", { isDefault: true }))).action((options) =>
  workflows.listWorkflows(connect(options), options.output),
);
withServer(workflowCommand.command("versions <workflow>"))
  .description("list the versions, newest first")
  .action((name: string, options) => workflows.listVersions(connect(options), name, options.output));
withServer(workflowCommand.command("live-runs <workflow>"))
  .description("list the live runs on other versions, and whether they could go on with the newest")
  .action((name: string, options) => workflows.listLiveRuns(connect(options), name, options.output));
withServer(workflowCommand.command("move <workflow> [old=new...]"))
  .description("let parked runs go on with the newest version; pairs say what nodes are called there")
  .option("--run <ids...>", "only these runs")
  .action(async (name: string, pairs: string[], options) =>
    exitWith(await workflows.moveRuns(connect(options), name, { pairs, runIds: options.run, output: options.output })),
  );

addMcpCommands(program);

const scheduleCommand = program.command("schedules").description("start workflows by the clock");
standingFor(withServer(scheduleCommand.command("list", { isDefault: true }))).action((options) =>
  triggers.listSchedules(connect(options), options.output),
);
withServer(scheduleCommand.command("add <workflow> <cron>"))
  .description("by the workflow's name or id; five fields, or six with seconds in front")
  .option("--zone <name>", "an IANA time zone", "UTC")
  .addOption(new Option("--overlap <policy>").choices(Overlap.options).default("skip"))
  .addOption(new Option("--catch-up <policy>").choices(CatchUp.options).default("one"))
  .option("--input <values...>", "JSON, @file or key=value pairs", [])
  .action((workflow: string, cron: string, options) => triggers.addSchedule(connect(options), { workflow, cron }, options));
withServer(scheduleCommand.command("remove <id>")).action((id: string, options) => triggers.removeSchedule(connect(options), id));
withServer(scheduleCommand.command("run <id>")).action((id: string, options) => triggers.fireSchedule(connect(options), id));
withServer(scheduleCommand.command("slots <id>")).action((id: string, options) => triggers.listSlots(connect(options), id, options.output));

const webhookCommand = program.command("webhooks").description("start workflows by requests from outside");
standingFor(withServer(webhookCommand.command("list", { isDefault: true }))).action((options) =>
  triggers.listWebhooks(connect(options), options.output),
);
withServer(webhookCommand.command("add <workflow>"))
  .description("prints the secret, once")
  .addOption(new Option("--scheme <scheme>", "how the sender proves itself").choices(triggers.WEBHOOK_SCHEMES).default("auterity"))
  .action((workflow: string, options) => triggers.addWebhook(connect(options), workflow, options));
withServer(webhookCommand.command("rotate <id>")).action((id: string, options) =>
  triggers.rotateWebhook(connect(options), id, options.output),
);
withServer(webhookCommand.command("remove <id>")).action((id: string, options) => triggers.removeWebhook(connect(options), id));

withServer(program.command("agents"))
  .description("list agents")
  .action((options) => agents.listAgents(connect(options), options.output));
withServer(program.command("link"))
  .description("make a one-time sign-in link for the browser")
  .action((options) => printLink(connect(options)));
program
  .command("doctor")
  .description("check this installation")
  .addOption(output())
  .action(async (options) => exitWith(await data.checkUp(options.output)));
program.command("backup <file>").description("write the database to a file").action(data.backupTo);
program.command("restore <file>").description("read a backup into an empty database").action(data.restoreFrom);

endWithReader();
try {
  await program.parseAsync();
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
// A command is over when its work is; nothing of ours may keep the process alive.
if (process.connected) process.disconnect();
