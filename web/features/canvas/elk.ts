import ELK, { type ELK as Elk } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Definition } from "#contract/definition.ts";
import { fromElk, toElk, type Direction } from "../../graph/layout.ts";
import type { Boxes } from "../../graph/to-flow.ts";

let elk: Elk | undefined;

/** Arranges the nodes in layers. The work is done in a worker, which is started when it is first needed and then kept. */
export async function arrange(definition: Definition, options: { direction: Direction; withStatus: boolean }): Promise<Boxes> {
  elk ??= new ELK({ workerUrl });
  return fromElk(await elk.layout(toElk(definition, options)));
}
