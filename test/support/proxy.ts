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
 * Where a transaction is caught that has the pattern in one of its statements. `statement`: these bytes do not reach the server.
 * `commit`: what would commit it does not. `answer`: it is committed, and the answer that says so is held back.
 */
type Place = "statement" | "commit" | "answer";
type Trap = { pattern: RegExp; place: Place; caught: (caught: Caught) => void };
type Pair = {
  client: Socket;
  server: Socket;
  /** What the trap has held back. */
  held: Buffer[];
  trap: Trap | undefined;
  isCaught: boolean;
  isInTransaction: boolean;
};

/** PostgreSQL's `ReadyForQuery`, up to the byte that says whether a transaction is open. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5]);
const OPEN_TRANSACTION = 0x54;
const CATCH_WITHIN_MS = 20_000;

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

  /** Catches the next transaction in whose words `pattern` is found (read as Latin-1). Rejects when none comes. */
  trap(pattern: RegExp, place: Place): Promise<Caught> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Nothing like ${String(pattern)} came by.`)), CATCH_WITHIN_MS);
      const caught = (it: Caught): void => {
        clearTimeout(late);
        resolve(it);
      };
      this.#traps.push({ pattern, place, caught });
    });
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

  /** Passes everything again; what was held back is reset. */
  heal(): void {
    this.#traps.length = 0;
    this.mode = "pass";
    this.delayMs = 0;
    for (const { trap, client } of this.#pairs) if (trap) client.resetAndDestroy();
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
    const pair: Pair = { client, server, held: [], trap: undefined, isCaught: false, isInTransaction: false };
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
    const words = this.#traps.length > 0 || pair.trap ? data.toString("latin1") : "";
    pair.trap ??= this.#take(words);
    const { trap } = pair;
    const isNow = trap?.place === "statement" || (trap?.place === "commit" && (!pair.isInTransaction || /commit/i.test(words)));
    if (!isNow && !(pair.isCaught && trap?.place !== "answer")) return this.#later(() => pair.server.write(data));
    pair.held.push(data);
    if (!pair.isCaught) this.#caught(pair, pair.server);
  }

  #fromServer(pair: Pair, data: Buffer): void {
    if (this.mode === "blackhole") return;
    const end = data.subarray(-READY.length - 1);
    const isReady = end.subarray(0, READY.length).equals(READY);
    if (isReady) pair.isInTransaction = end.at(-1) === OPEN_TRANSACTION;
    if (pair.trap?.place !== "answer") return this.#later(() => pair.client.write(data));
    pair.held.push(data);
    if (!isReady || pair.isCaught) return;
    if (!pair.isInTransaction) return this.#caught(pair, pair.client);
    for (const earlier of pair.held.splice(0)) this.#later(() => pair.client.write(earlier));
  }

  #take(words: string): Trap | undefined {
    const found = this.#traps.findIndex(({ pattern }) => pattern.test(words));
    return found === -1 ? undefined : this.#traps.splice(found, 1)[0];
  }

  #caught(pair: Pair, onwards: Socket): void {
    pair.isCaught = true;
    pair.trap?.caught({
      release: () => {
        pair.trap = undefined;
        pair.isCaught = false;
        for (const data of pair.held.splice(0)) onwards.write(data);
      },
      reset: () => {
        pair.client.resetAndDestroy();
        pair.server.destroy();
      },
    });
  }

  #later(send: () => unknown): void {
    if (this.delayMs === 0) send();
    else setTimeout(send, this.delayMs);
  }
}
