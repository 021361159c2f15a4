import { agents } from "./agents.ts";
import { approvals } from "./approvals.ts";
import { canvas } from "./canvas.ts";
import { common } from "./common.ts";
import { mcp } from "./mcp.ts";
import { run } from "./run.ts";
import { runs } from "./runs.ts";
import { shell } from "./shell.ts";
import { workflows } from "./workflows.ts";

/** English, the language every key exists in. */
export const en = { common, shell, canvas, workflows, runs, run, mcp, agents, approvals } as const;
