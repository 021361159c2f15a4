import { Option, type Command } from "commander";
import { FORMATS } from "./output.ts";

export const output = () => new Option("-o, --output <format>", "how to print data").choices(FORMATS).default("table");
/** What every command takes that speaks to a running platform. */
export const withServer = (command: Command): Command =>
  command.option("--url <url>", "the platform's address").option("--token <token>", "an API token").addOption(output());
/** The command that is meant where a group is named alone. Another word behind the group is none of its commands, and no argument of this one. */
export const standingFor = (command: Command): Command =>
  command.allowExcessArguments().hook("preAction", ({ args: [word], parent }) => {
    if (word === undefined) return;
    const group = [parent?.parent, parent].flatMap((one) => one?.name() ?? []).join(" ");
    throw new Error(`\`${group}\` has no command ${word}; \`${group} --help\` lists them.`);
  });
export const exitWith = (code: number): void => void (process.exitCode = code);
