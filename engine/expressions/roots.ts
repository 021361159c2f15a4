import type { Json } from "#contract/common.ts";

/** What expressions can read. None of it is ever changed by an expression. */
export type Roots = {
  input: Json;
  /** What the steps of the run share. */
  context: { readonly [key: string]: Json };
  /** Output of a step visible from here, undefined when it has none (yet, or skipped). */
  step(id: string): Json | undefined;
  /** Inside a map only. */
  item?: Json;
  index?: number;
  run: { id: string; workflowId: string; version: number; hooks?: { readonly [nodeId: string]: string } };
  /** Event time, ms since the epoch: `$now()`, `$millis()`. */
  now: number;
  /** Run and scope: `$random()`, `$shuffle()`. */
  seed: string;
};
