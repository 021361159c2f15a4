import { setTimeout as pause } from "node:timers/promises";

/** Asks again until the answer fits; the test's own timeout ends a wait in vain. */
export async function eventually<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await pause(20);
  }
}
