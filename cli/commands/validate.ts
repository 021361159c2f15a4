import pc from "picocolors";
import { validate } from "#engine/index.ts";
import { readDocument } from "../definition-file.ts";
import { notice, printDocument, printList, printable, type Format } from "../output.ts";

/** Checks a definition with the same code as the server, without one. Exit codes: 0 valid, 1 not. */
export function validateFile(file: string, output: Format): number {
  const result = validate(readDocument(file));
  if (output !== "table") printDocument(result.valid ? { valid: true, issues: [], warnings: result.warnings } : result, output);
  else if (!result.valid) {
    printList(result.issues, output, [
      ["NODE", (issue) => issue.nodeId ?? ""],
      ["FIELD", (issue) => issue.path],
      ["AT", (issue) => issue.position ?? ""],
      ["PROBLEM", (issue) => printable(issue.message)],
    ]);
  }
  if (result.valid) for (const { nodeId = "", message } of result.warnings) notice(pc.yellow(`${nodeId} ${printable(message)}`.trim()));
  notice(result.valid ? pc.green(`${file} is valid.`) : pc.red(`${file} has ${result.issues.length} problem(s).`));
  return result.valid ? 0 : 1;
}
