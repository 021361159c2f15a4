import { createClient } from "#sdk/client.ts";

/** The server that served this page. The session cookie goes along by itself. */
export const api = createClient({ url: window.location.origin, fetch: (input, init) => window.fetch(input, init) });
