import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Effect } from "#contract/policy.ts";
import type { OutsideType } from "#engine/index.ts";
import { contentHash } from "../../kernel/content-hash.ts";
import { background, type Log } from "../../kernel/log.ts";
import type { Database, Redactor, ValueCodec } from "../../kernel/ports.ts";
import type { LiveRun } from "../driver/live-run.ts";
import { cacheRowName } from "../driver/row-names.ts";
import { findCached, storeCached } from "../store/cache.pg.ts";

/** What a step is about to ask. */
export type Question = {
  nodeId: string;
  type: OutsideType;
  input: Json;
  effect: Effect;
  binding?: Record<string, string> | undefined;
};

export type StepCache = {
  /** Where an equal step's output is or will be kept; undefined when this step keeps nothing. */
  placeOf(run: LiveRun, question: Question): Place | undefined;
  find(place: Place): Promise<Json | undefined>;
  /** In the background; large outputs and reported errors are not kept. */
  keep(place: Place, output: Json): void;
};
export type Place = { tenantId: string; key: Buffer; ttlMs: number };

type Deps = { database: Database; codec: ValueCodec; redactor: Redactor; log: Log };

/**
 * Outputs of calls that change nothing, for nodes whose policy asks for it. Two steps are equal when tenant, environment, type, input and
 * what they are bound to are. Runs of confidential workflows take no part: their outputs would come into the journals of others,
 * and a hash of their inputs can be guessed at. A cache that fails is a miss.
 */
export function createStepCache({ database, codec, redactor, log }: Deps): StepCache {
  return {
    placeOf: (run, { nodeId, type, input, effect, binding = {} }) => {
      const { cache, grant } = run.state.plan.nodes.get(nodeId)?.node.policy ?? {};
      if (!cache || grant !== undefined || !isRepeatable(effect) || type === "subworkflow" || run.isConfidential) return undefined;
      const { tenantId, environment } = run;
      return { tenantId, ttlMs: cache.ttlMs, key: contentHash({ tenantId, environment, type, input, binding }) };
    },
    find: async (place) => {
      try {
        const bytes = await findCached(database, place, place.ttlMs);
        return bytes && codec.decode(bytes, { tenantId: place.tenantId, row: rowOf(place) });
      } catch (error) {
        log.warn("a kept result could not be read; the step is carried out", { error });
        return undefined;
      }
    },
    keep: (place, output) => {
      if (isReportedError(output)) return;
      const { tenantId, ttlMs } = place;
      const bytes = codec.encode(redactor.json(output), { tenantId, row: rowOf(place), confidential: false });
      if (bytes.length > LIMITS.cacheOutputBytes) return;
      background(log, "keeping a result", () => storeCached(database, place, { output: bytes, ttlMs }));
    },
  };
}

const rowOf = ({ key }: Place): string => cacheRowName(key.toString("hex"));
const isRepeatable = (effect: Effect): boolean => effect === "none" || effect === "idempotent";
/** A tool's own way to say that it failed. */
const isReportedError = (output: Json): boolean =>
  typeof output === "object" && output !== null && !Array.isArray(output) && output["isError"] === true;
