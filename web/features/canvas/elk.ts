import ELK, { type ELK as Elk } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Definition } from "#contract/definition.ts";
import { fromElk, toElk, type LayoutOptions } from "../../graph/layout.ts";
import type { Drawing } from "../../graph/to-flow.ts";

/** Started as soon as a canvas is on its way: the worker takes longer to start than to arrange a workflow. */
const elk: Elk | undefined = typeof Worker === "undefined" ? undefined : new ELK({ workerUrl });

/** Arranges the nodes in layers. */
export async function arrange(definition: Definition, options: LayoutOptions): Promise<Drawing> {
  if (!elk) throw new Error("This browser has no workers to arrange the steps in.");
  return fromElk(await elk.layout(toElk(definition, options)));
}
