import { config } from "zod";

/*
 * Zod compiles object schemas with `new Function` where it may. The content security policy forbids that, and even the probe
 * is reported as a violation; the choice is made when a schema is built, so everything else is imported after this line.
 */
config({ jitless: true });

void import("./start.tsx").then(({ start }) => start());
