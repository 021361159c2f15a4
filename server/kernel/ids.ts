import { uuidv7 } from "uuidv7";

/** A UUIDv7: grows with time, so that rows written together lie together in an index. */
export const newId = (): string => uuidv7();
