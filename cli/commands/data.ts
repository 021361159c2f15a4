import { backup, doctor, readConfig, restore } from "#server/main.ts";
import { notice, printList, type Format } from "../output.ts";

/** Writes one consistent snapshot of the database; the platform may run meanwhile. */
export async function backupTo(file: string): Promise<void> {
  const { tables, rows } = await backup(readConfig(process.env), file);
  notice(`Wrote ${rows} rows of ${tables} tables to ${file}.`);
}

/** Reads a snapshot into an empty database; the platform must not run. */
export async function restoreFrom(file: string): Promise<void> {
  const { tables, rows } = await restore(readConfig(process.env), file);
  notice(`Restored ${rows} rows of ${tables} tables.`);
}

/** Exit codes: 0 all well, 1 something needs attention. */
export async function checkUp(output: Format): Promise<number> {
  const checks = await doctor(readConfig(process.env));
  printList(checks, output, [
    ["", (check) => (check.ok ? "✓" : "✗")],
    ["CHECK", (check) => check.name],
    ["FOUND", (check) => check.found],
    ["DO", (check) => check.remedy ?? ""],
  ]);
  return checks.every((check) => check.ok) ? 0 : 1;
}
