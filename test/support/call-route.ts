import { PERMISSIONS } from "#contract/permissions.ts";
import type { RouteSpec } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Handled } from "#server/kernel/handle.ts";
import { newId } from "#server/kernel/ids.ts";

type Sent = { caller: Caller; params?: unknown; query?: unknown; headers?: unknown; body?: unknown };

/** Calls a slice's handler as HTTP would: validates what goes in and, so that drift fails the test, what comes out. */
export async function callRoute<R extends RouteSpec>(routes: readonly Handled[], route: R, sent: Sent): Promise<R["response"]["_output"]> {
  const handled = routes.find((candidate) => candidate.route === route);
  if (!handled) throw new Error(`No handler for ${route.name}.`);
  const request = {
    caller: sent.caller,
    requestId: newId(),
    signal: new AbortController().signal,
    params: route.params?.parse(sent.params ?? {}),
    query: route.query?.parse(sent.query ?? {}),
    headers: route.headers?.parse(sent.headers ?? {}),
    body: route.body?.parse(sent.body ?? {}),
  };
  const answer: unknown = await Reflect.apply(handled.run, undefined, [request]);
  return route.response.parse(answer);
}

/** An owner of this tenant. */
export const ownerOf = (tenantId: string): Caller => ({
  tenantId,
  principalId: newId(),
  ref: "user:owner",
  name: "Owner",
  kind: "user",
  role: "owner",
  permissions: new Set(PERMISSIONS),
});
