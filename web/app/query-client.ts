import { QueryCache, QueryClient } from "@tanstack/react-query";
import { isNetworkError } from "../api/explain.ts";
import { keys } from "../api/keys.ts";
import { isSignedOut } from "../api/session.ts";

/** Only a server that could not be reached is asked again by itself; an answer, even a refusal, is an answer. */
const RETRIES = 2;

export function createAppClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        // The session ended: asking who we are again leads to the sign-in page.
        if (isSignedOut(error) && query.queryKey[0] !== keys.me[0]) void client.resetQueries({ queryKey: keys.me });
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (failures, error) => failures < RETRIES && isNetworkError(error),
        retryDelay: 600,
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
  return client;
}
