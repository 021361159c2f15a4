import { Option, type Command } from "commander";
import { FORMATS } from "./output.ts";

export const output = () => new Option("-o, --output <format>", "how to print data").choices(FORMATS).default("table");
/** What every command takes that speaks to a running platform. */
export const withServer = (command: Command): Command =>
  command.option("--url <url>", "the platform's address").option("--token <token>", "an API token").addOption(output());
export const exitWith = (code: number): void => void (process.exitCode = code);
