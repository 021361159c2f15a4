import { getRandomValues } from "node:crypto";
import { V7Generator } from "uuidv7";

/** Random numbers for hundreds of ids at once: one call for each few would cost more than the ids. */
const random = new Uint32Array(1_024);
let used = random.length;
const nextUint32 = (): number => {
  if (used === random.length) {
    getRandomValues(random);
    used = 0;
  }
  const next = random[used] ?? 0;
  used += 1;
  return next;
};
const generator = new V7Generator({ nextUint32 });

/** A UUIDv7: grows with time, so that rows written together lie together in an index. */
export const newId = (): string => generator.generate().toString();
