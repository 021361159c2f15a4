/** Where a tool that knows about it finds the key that is equal over all attempts of a step. */
export const IDEMPOTENCY_META = "auterity.dev/idempotency-key";

/** On a result that was given before. */
export const CACHED_META = "auterity.dev/cached";
