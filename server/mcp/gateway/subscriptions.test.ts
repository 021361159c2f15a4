import { expect, test, vi } from "vitest";
import type { ResourceWatcher } from "../connection/watched-resources.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Exposure, Own } from "./exposure.ts";
import type { Find } from "./find.ts";
import { createSubscriptions } from "./subscriptions.ts";

/** Subscriptions to a server that answers when `answer` is called. */
function subscribed() {
  const stop = vi.fn<() => Promise<void>>(async () => {});
  const watch = Promise.withResolvers<() => Promise<void>>();
  const found = Promise.withResolvers<Own>();
  const watchers: ResourceWatcher[] = [];
  const watchResource = (_: string, watcher: ResourceWatcher) => {
    watchers.push(watcher);
    return watch.promise;
  };
  const server = { connection: { watchResource } } as unknown as SupervisedServer;
  const subscriptions = createSubscriptions(
    { exposure: { uri: (_, own) => own } as Exposure, find: { resource: () => found.promise } as unknown as Find },
    () => {},
  );
  return { subscriptions, watchers, stop, find: () => found.resolve({ server, own: "a:b" }), answer: () => watch.resolve(stop) };
}

test("a subscription is ended whose client has gone before the server has answered", async () => {
  const { subscriptions, watchers, stop, find, answer } = subscribed();
  const adding = subscriptions.add("a:b");
  find();
  await vi.waitFor(() => expect(watchers).toHaveLength(1));
  await subscriptions.close();
  answer();
  await adding;
  expect(stop).toHaveBeenCalledOnce();
});

test("nothing is subscribed to for a client that has gone before it was known whose it is", async () => {
  const { subscriptions, watchers, find } = subscribed();
  const adding = subscriptions.add("a:b");
  await subscriptions.close();
  find();
  await adding;
  expect(watchers).toEqual([]);
});

test("one that is given up while it begins, and begun again, is watched once", async () => {
  const { subscriptions, watchers, stop, find, answer } = subscribed();
  find();
  const first = subscriptions.add("a:b");
  await vi.waitFor(() => expect(watchers).toHaveLength(1));
  await subscriptions.remove("a:b");
  const second = subscriptions.add("a:b");
  await vi.waitFor(() => expect(watchers).toHaveLength(2));
  answer();
  await Promise.all([first, second]);
  expect(stop).toHaveBeenCalledOnce();
  await subscriptions.close();
  expect(stop).toHaveBeenCalledTimes(2);
});
