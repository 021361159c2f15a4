import { AppError } from "#server/kernel/errors.ts";
import type { CallOptions } from "./open-call.ts";
import type { PlatformClient } from "./platform-client.ts";

export type ResourceWatcher = {
  onUpdated(uri: string): void;
  /** The subscription has ended: the server has ended it, or the connection is over, whoever has ended that. */
  onEnded(): void;
};
type Unwatch = () => Promise<void>;
type Watched = { watchers: Set<ResourceWatcher>; opened: Promise<Unwatch> };

/** Resources of one connection that somebody watches at the same time. */
export const WATCHED_RESOURCES = 256;
const UNWATCH_MS = 10_000;

/** Subscriptions to resources in both eras. However many watch a resource, the server hears of it once. */
export class WatchedResources {
  readonly #client: PlatformClient;
  readonly #watched = new Map<string, Watched>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(client: PlatformClient) {
    this.#client = client;
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => this.#tell(params.uri));
    void client.over.then(() => [...this.#watched.keys()].forEach((uri) => this.#ended(uri)));
  }

  async watch(uri: string, watcher: ResourceWatcher, options: CallOptions): Promise<Unwatch> {
    const watched = this.#watched.get(uri) ?? this.#open(uri, options);
    watched.watchers.add(watcher);
    try {
      await watched.opened;
    } catch (error) {
      if (this.#watched.get(uri) === watched) this.#watched.delete(uri);
      throw error;
    }
    return async () => {
      watched.watchers.delete(watcher);
      if (watched.watchers.size > 0 || this.#watched.get(uri) !== watched) return;
      this.#watched.delete(uri);
      const close = await watched.opened;
      await this.#inTurn(close).catch(() => {});
    };
  }

  #open(uri: string, options: CallOptions): Watched {
    if (this.#watched.size >= WATCHED_RESOURCES)
      throw new AppError("rate_limited", `Expected at most ${WATCHED_RESOURCES} watched resources of one server.`, {
        remedy: "End a subscription that nobody needs any more.",
      });
    const opened = this.#inTurn(() => this.#client.talk(options, (request) => this.#subscribe(uri, request)));
    const watched: Watched = { watchers: new Set(), opened };
    this.#watched.set(uri, watched);
    return watched;
  }

  async #subscribe(uri: string, request: Parameters<PlatformClient["subscribeResource"]>[1]): Promise<Unwatch> {
    if (this.#client.getProtocolEra() !== "modern") {
      await this.#client.subscribeResource({ uri }, request);
      return async () => void (await this.#client.unsubscribeResource({ uri }, { timeout: UNWATCH_MS }));
    }
    // The stream outlives the request that opens it, so the caller's signal must not be its own.
    const subscription = await this.#client.listen({ resourceSubscriptions: [uri] }, { timeout: UNWATCH_MS });
    void subscription.closed.then((cause) => cause === "local" || this.#ended(uri));
    return () => subscription.close();
  }

  #ended(uri: string): void {
    const watched = this.#watched.get(uri);
    this.#watched.delete(uri);
    for (const watcher of watched?.watchers ?? []) watcher.onEnded();
  }

  /** A server may tell of a part of what is watched. */
  #tell(updated: string): void {
    for (const [uri, { watchers }] of this.#watched)
      if (updated === uri || updated.startsWith(`${uri.replace(/\/$/, "")}/`)) for (const watcher of watchers) watcher.onUpdated(updated);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
