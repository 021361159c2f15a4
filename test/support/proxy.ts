import { once } from "node:events";
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A client's words that were caught on their way. Exactly one of the two ends the waiting. */
export type Caught = {
  /** Lets everything go on as if nothing had been. */
  release(): void;
  /** Resets this client's connection; what was held back never arrives. */
  reset(): void;
};

/**
 * `before`: the matching bytes do not reach the server. `after`: they do, the server carries them out, and its answer, up to the
 * end of PostgreSQL's `ReadyForQuery`, is held back.
 */
type Trap = { pattern: RegExp; when: "before" | "after"; caught: (caught: Caught) => void };
type Pair = { client: Socket; server: Socket; held: Buffer[]; trap: Trap | undefined };

/** PostgreSQL's `ReadyForQuery` outside a transaction: what was asked is done and committed. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Stands between a process and its PostgreSQL or Redis, on a port of loopback, and does what networks do. */
export class Proxy {
  /** `blackhole`: connections stand and carry nothing. `refuse`: new connections are reset at once. */
  mode: "pass" | "blackhole" | "refuse" = "pass";
  delayMs = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #target: number;
  readonly #traps: Trap[] = [];

  static async before(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#connect(client));
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Catches the next bytes of a client, one chunk of them, in which `pattern` is found (read as Latin-1). */
  trap(pattern: RegExp, when: Trap["when"]): Promise<Caught> {
    return new Promise((caught) => this.#traps.push({ pattern, when, caught }));
  }

  /** Breaks every connection with a RST. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Ends our half of every client's connection: it hears the end and may still speak, to nobody's profit. */
  halfClose(): void {
    for (const { client } of this.#pairs) client.end();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.reset();
    if (this.#server.listening) await once(this.#server, "close");
  }

  #connect(client: Socket): void {
    if (this.mode === "refuse") {
      client.resetAndDestroy();
      return;
    }
    const server = createConnection(this.#target, "127.0.0.1");
    const pair: Pair = { client, server, held: [], trap: undefined };
    this.#pairs.add(pair);
    client.on("data", (data) => this.#fromClient(pair, data));
    server.on("data", (data) => this.#fromServer(pair, data));
    const over = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on("error", over);
      socket.on("close", over);
    }
  }

  #fromClient(pair: Pair, data: Buffer): void {
    if (this.mode === "blackhole") return;
    const found = pair.trap ? -1 : this.#traps.findIndex(({ pattern }) => pattern.test(data.toString("latin1")));
    if (found === -1 && pair.trap?.when !== "before") return this.#later(() => pair.server.write(data));
    const [trap = pair.trap] = found === -1 ? [] : this.#traps.splice(found, 1);
    pair.trap = trap;
    if (trap?.when === "after") return this.#later(() => pair.server.write(data));
    pair.held.push(data);
    if (found !== -1) trap?.caught(this.#caught(pair, pair.server));
  }

  #fromServer(pair: Pair, data: Buffer): void {
    if (this.mode === "blackhole") return;
    if (pair.trap?.when !== "after") return this.#later(() => pair.client.write(data));
    pair.held.push(data);
    if (Buffer.concat(pair.held).subarray(-READY.length).equals(READY)) pair.trap.caught(this.#caught(pair, pair.client));
  }

  #caught(pair: Pair, onwards: Socket): Caught {
    return {
      release: () => {
        pair.trap = undefined;
        for (const data of pair.held.splice(0)) onwards.write(data);
      },
      reset: () => {
        pair.client.resetAndDestroy();
        pair.server.destroy();
      },
    };
  }

  #later(send: () => unknown): void {
    if (this.delayMs === 0) send();
    else setTimeout(send, this.delayMs);
  }
}
