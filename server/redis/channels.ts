import type { Redis } from "ioredis";
import type { Log } from "#server/kernel/log.ts";
import type { Connections } from "./connections.ts";

export type ChannelListener = {
  onMessage(message: string): void;
  /** Messages may have been missed; also called when the channel is heard for the first time. */
  onGap(): void;
};

export type ChannelsOptions = { connections: Pick<Connections, "commands" | "subscriber" | "outage">; log: Log; queued?: number };

const QUEUED_MESSAGES = 5_000;
const BATCH_MESSAGES = 1_000;
const RETRY_MS = 500;
/** Stands for messages that were lost on the way to Redis. */
const GAP = "";

/**
 * Publish and subscribe without waiting. One batch at a time is on its way; what is said meanwhile goes with the next. What
 * does not fit into the queue, or was in a batch that failed, is lost, and its channel is told so by a gap as soon as
 * Redis takes messages again.
 */
export class Channels {
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  readonly #options: ChannelsOptions;
  readonly #listeners = new Map<string, Set<ChannelListener>>();
  readonly #lost = new Set<string>();
  #queue: { channel: string; message: string }[] = [];
  #isSending = false;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: ChannelsOptions) {
    this.#options = options;
    const { commands, subscriber } = options.connections;
    this.#commands = commands;
    this.#subscriber = subscriber;
    subscriber.on("message", (channel, message) => this.#receive(channel, message));
    subscriber.on("ready", () => this.#hear([...this.#listeners.keys()]));
    if (subscriber.status === "ready") this.#hear([...this.#listeners.keys()]);
  }

  publish(channel: string, message: string): void {
    if (this.#isClosed) return;
    this.#queue.push({ channel, message });
    const { queued = QUEUED_MESSAGES } = this.#options;
    if (this.#queue.length > queued) {
      const oldest = this.#queue.shift();
      if (oldest) this.#lost.add(oldest.channel);
    }
    if (this.#isSending || this.#retry) return;
    this.#isSending = true;
    setImmediate(() => void this.#sendAll());
  }

  subscribe(channel: string, listener: ChannelListener): () => void {
    const own = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, own.add(listener));
    if (own.size === 1) this.#hear([channel]);
    return () => {
      own.delete(listener);
      if (own.size > 0 || this.#listeners.get(channel) !== own) return;
      this.#listeners.delete(channel);
      if (this.#subscriber.status === "ready") this.#subscriber.unsubscribe(channel).catch(this.#options.connections.outage.failed);
    };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  /** Without a connection nothing is done: it will be, for all channels, when there is one. */
  #hear(channels: readonly string[]): void {
    if (channels.length === 0 || this.#subscriber.status !== "ready") return;
    const onHeard = (): void => {
      for (const channel of channels) this.#receive(channel, GAP);
    };
    this.#subscriber.subscribe(...channels).then(onHeard, this.#options.connections.outage.failed);
  }

  #receive(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      try {
        if (message === GAP) listener.onGap();
        else listener.onMessage(message);
      } catch (error) {
        this.#options.log.error("a listener to a channel of Redis failed", { error });
      }
    }
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (!this.#isClosed && (this.#queue.length > 0 || this.#lost.size > 0)) {
      if (!(await this.#sendBatch())) break;
    }
    this.#isSending = false;
  }

  /** Gaps come first, so that nobody takes what follows for everything. */
  async #sendBatch(): Promise<boolean> {
    const gaps = [...this.#lost].map((channel) => ({ channel, message: GAP }));
    this.#lost.clear();
    const batch = [...gaps, ...this.#queue.splice(0, BATCH_MESSAGES)];
    const pipeline = this.#commands.pipeline();
    for (const { channel, message } of batch) pipeline.publish(channel, message);
    const results = await pipeline.exec().catch((error: unknown) => [[error, null] as const]);
    const failure = results === null ? new Error("Redis gave no answer.") : results.find(([error]) => error !== null)?.[0];
    if (failure === undefined) return true;
    for (const { channel } of batch) this.#lost.add(channel);
    this.#options.connections.outage.failed(failure);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#sendAll();
    }, RETRY_MS);
    this.#retry.unref();
    return false;
  }
}
