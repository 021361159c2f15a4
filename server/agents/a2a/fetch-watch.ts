/** What the last HTTP exchange of a connection came to; the A2A client only throws sentences about it. */
export type FetchWatch = { status: number | undefined; failure: unknown };

export function watched(fetch: typeof globalThis.fetch, watch: FetchWatch): typeof globalThis.fetch {
  return async (input, init) => {
    watch.status = undefined;
    watch.failure = undefined;
    try {
      const response = await fetch(input, init);
      watch.status = response.status;
      return response;
    } catch (thrown) {
      watch.failure = thrown;
      throw thrown;
    }
  };
}
