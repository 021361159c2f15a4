import type { Sharing } from "#contract/mcp/settings.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Connection } from "../connection/connection.ts";
import type { Checkup } from "./checkup.ts";
import type { Latencies } from "./health.ts";
import type { Timings } from "./timings.ts";

/** The right to use a connection until it is released. */
export type Lease = { readonly connection: Connection; release(): void };

/** A connection that is watched. */
export type Watched = { connection: Connection; watch: () => Checkup };

type Member = {
  connection: Connection;
  checkup: Checkup | undefined;
  /** Of a connection that belongs to one session. */
  sessionKey: string | undefined;
  inFlight: number;
  idleSince: number;
  /** Takes no new calls, and ends with the last one. */
  isEnding: boolean;
};

export type PoolPorts = {
  /** Opens one more connection, of which the tools are known to be the same. Leaves nothing behind when it rejects. */
  open(signal: AbortSignal): Promise<Watched>;
  sharing(): Sharing;
  note(text: string): void;
  latencies: Latencies;
  timings: Pick<Timings, "poolIdleMs" | "poolSessionIdleMs" | "poolPauseMs">;
};

/** Sessions at the same time unless the settings say otherwise. */
const SESSIONS = 16;

/**
 * The open connections of one server. The first one carries all calls of a shared server, and of any server what is asked of
 * the server as such (its lists, its health). A pooled one gets more when all are busy; where each session has its own, that
 * is opened with the session's first call. Connections that nobody uses any more end by themselves.
 */
export class ConnectionPool {
  readonly #ports: PoolPorts;
  readonly #members = new Set<Member>();
  readonly #sessions = new Map<string, Member>();
  readonly #opening = new Map<string, Promise<Member>>();
  readonly #closing = new Set<Promise<number>>();
  #first: Member | undefined;
  #end = new AbortController();
  #growing: Promise<void> | undefined;
  #growAfter = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(ports: PoolPorts) {
    this.#ports = ports;
  }

  get first(): Connection | undefined {
    return this.#first?.connection;
  }

  /** How many there are, and how many calls are under way on them. */
  get size(): { connections: number; inFlight: number } {
    return { connections: this.#members.size, inFlight: [...this.#members].reduce((sum, { inFlight }) => sum + inFlight, 0) };
  }

  isBusy(connection: Connection): boolean {
    return (this.#find(connection)?.inFlight ?? 0) > 0;
  }

  setFirst(watched: Watched): void {
    this.#first = this.#add(watched);
  }

  checkup(connection: Connection): Checkup | undefined {
    return this.#find(connection)?.checkup;
  }

  /** A connection for a call that can start at once. `sessionKey` only counts where each session has its own. */
  lease(sessionKey: string | undefined): Lease | undefined {
    const sharing = this.#ports.sharing();
    const member =
      sharing.mode === "shared"
        ? this.#first
        : sharing.mode === "pooled"
          ? this.#leastBusy(sharing.processes)
          : this.#ofSession(sessionKey);
    return member && this.#borrow(member);
  }

  /** Of a session that may have to be opened first. Rejects with `mcp_sessions_full` when all are in use. */
  async leaseSession(sessionKey: string, signal: AbortSignal): Promise<Lease> {
    const opening = this.#opening.get(sessionKey) ?? this.#openSession(sessionKey);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void =>
      aborted.reject(new AppError("mcp_server_not_ready", "The call ended before its session was open.", { retryable: true }));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const member = await Promise.race([opening, aborted.promise]);
      return this.#borrow(member);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Takes a connection out at once, and ends it. Undefined when it is not among them, else how its end goes. In a pool, another one takes
   * the first one's place.
   */
  remove(connection: Connection): Promise<unknown> | undefined {
    const member = this.#find(connection);
    if (member === undefined) return undefined;
    this.#forget(member);
    if (member === this.#first) this.#first = [...this.#members].find(({ sessionKey, isEnding }) => sessionKey === undefined && !isEnding);
    return this.#close(member);
  }

  endSession(sessionKey: string): void {
    const member = this.#sessions.get(sessionKey);
    if (member !== undefined) this.#retire(member, "its session is over");
  }

  /** Ends what the settings allow no more, and tells the rest of what they say to servers. */
  fit(): void {
    for (const { connection } of this.#members) connection.settle().catch(() => {});
    const sharing = this.#ports.sharing();
    const shared = [...this.#members].filter((member) => member.sessionKey === undefined && member !== this.#first && !member.isEnding);
    const kept = sharing.mode === "pooled" ? sharing.processes - 1 : 0;
    for (const member of shared.slice(kept)) this.#retire(member, "the server's settings have changed");
    if (sharing.mode === "session") return;
    for (const member of this.#sessions.values()) this.#retire(member, "the server's settings have changed");
  }

  /** Ends all. Resolves with how many processes could not be ended. */
  async close(): Promise<number> {
    this.#end.abort(stopped());
    this.#end = new AbortController();
    const members = [...this.#members];
    for (const member of members) this.#forget(member);
    this.#first = undefined;
    const closing = new Set([...this.#closing, ...members.map((member) => this.#close(member))]);
    await Promise.allSettled([...this.#opening.values(), this.#growing]);
    const survivors = await Promise.all(new Set([...closing, ...this.#closing]));
    return survivors.reduce((sum, count) => sum + count, 0);
  }

  #find(connection: Connection): Member | undefined {
    for (const member of this.#members) if (member.connection === connection) return member;
    return undefined;
  }

  #add({ connection, watch }: Watched, sessionKey?: string): Member {
    const member: Member = { connection, checkup: undefined, sessionKey, inFlight: 0, idleSince: performance.now(), isEnding: false };
    this.#members.add(member);
    if (sessionKey !== undefined) this.#sessions.set(sessionKey, member);
    // What is watched may turn out to be lost already; it has to be among the members then.
    member.checkup = watch();
    return member;
  }

  #forget(member: Member): void {
    member.isEnding = true;
    member.checkup?.stop();
    this.#members.delete(member);
    if (member.sessionKey !== undefined && this.#sessions.get(member.sessionKey) === member) this.#sessions.delete(member.sessionKey);
  }

  #borrow(member: Member): Lease {
    member.inFlight += 1;
    const since = performance.now();
    let isOut = true;
    const release = (): void => {
      if (!isOut) return;
      isOut = false;
      member.inFlight -= 1;
      member.idleSince = performance.now();
      this.#ports.latencies.add(member.idleSince - since);
      if (member.isEnding && member.inFlight === 0) this.#endMember(member);
    };
    return { connection: member.connection, release };
  }

  #leastBusy(processes: number): Member | undefined {
    let least: Member | undefined;
    let count = 0;
    for (const member of this.#members) {
      if (member.sessionKey !== undefined || member.isEnding) continue;
      count += 1;
      if (least === undefined || member.inFlight < least.inFlight) least = member;
    }
    if (least !== undefined && least.inFlight > 0 && count < processes) this.#grow();
    return least;
  }

  #ofSession(sessionKey: string | undefined): Member | undefined {
    if (sessionKey === undefined) return this.#first;
    const member = this.#sessions.get(sessionKey);
    return member?.isEnding ? undefined : member;
  }

  /** One at a time, and after a failure not at once again: calls go on over what is there. */
  #grow(): void {
    if (this.#growing !== undefined || performance.now() < this.#growAfter) return;
    const { signal } = this.#end;
    const grow = async (): Promise<void> => {
      try {
        await this.#keep(await this.#ports.open(signal), { signal });
        this.#sweepLater();
      } catch (thrown) {
        this.#growAfter = performance.now() + this.#ports.timings.poolPauseMs;
        if (!signal.aborted) this.#ports.note(`one more connection could not be opened: ${toAppError(thrown).message}`);
      } finally {
        this.#growing = undefined;
      }
    };
    this.#growing = grow();
  }

  #openSession(sessionKey: string): Promise<Member> {
    const { signal } = this.#end;
    const open = async (): Promise<Member> => {
      try {
        await this.#makeRoom();
        const member = await this.#keep(await this.#ports.open(signal), { signal, sessionKey });
        this.#sweepLater();
        return member;
      } finally {
        this.#opening.delete(sessionKey);
      }
    };
    const opening = open();
    this.#opening.set(sessionKey, opening);
    // Whoever asked may have gone by the time this fails.
    opening.catch(() => {});
    return opening;
  }

  async #keep(watched: Watched, { signal, sessionKey }: { signal: AbortSignal; sessionKey?: string }): Promise<Member> {
    if (!signal.aborted) return this.#add(watched, sessionKey);
    await watched.connection.close();
    throw stopped();
  }

  /** The longest idle session gives way. Its processes are gone before another one's start. */
  async #makeRoom(): Promise<void> {
    const sharing = this.#ports.sharing();
    const most = (sharing.mode === "session" ? sharing.sessions : undefined) ?? SESSIONS;
    if (this.#sessions.size + this.#opening.size < most) return;
    const idle = [...this.#sessions.values()].filter(({ inFlight }) => inFlight === 0);
    const [oldest] = idle.toSorted((a, b) => a.idleSince - b.idleSince);
    if (oldest === undefined) {
      throw new AppError("mcp_sessions_full", `All ${most} sessions of the server are in use.`, { retryable: true });
    }
    this.#forget(oldest);
    this.#ports.note("ended a session that was idle, to make room for another one");
    await this.#close(oldest);
  }

  #sweepLater(): void {
    const { poolIdleMs, poolSessionIdleMs } = this.#ports.timings;
    if (this.#sweep !== undefined) return;
    const everyMs = Math.ceil(Math.min(poolIdleMs, poolSessionIdleMs) / 2);
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined;
      this.#endIdle();
      // Without a first one, which a server that has failed does not have, the others still end.
      if ([...this.#members].some((member) => member !== this.#first)) this.#sweepLater();
    }, everyMs).unref();
  }

  #endIdle(): void {
    const { poolIdleMs, poolSessionIdleMs } = this.#ports.timings;
    const now = performance.now();
    for (const member of this.#members) {
      const mostMs = member.sessionKey === undefined ? poolIdleMs : poolSessionIdleMs;
      const isIdle = member !== this.#first && member.inFlight === 0 && now - member.idleSince >= mostMs;
      if (isIdle) this.#retire(member, "nobody has used it for a while");
    }
  }

  #retire(member: Member, why: string): void {
    member.isEnding = true;
    if (member.sessionKey !== undefined && this.#sessions.get(member.sessionKey) === member) this.#sessions.delete(member.sessionKey);
    this.#ports.note(`a connection ends: ${why}`);
    if (member.inFlight === 0) this.#endMember(member);
  }

  #endMember(member: Member): void {
    if (!this.#members.has(member)) return;
    this.#forget(member);
    void this.#close(member);
  }

  #close({ connection }: Member): Promise<number> {
    const closing = connection.close();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
    return closing;
  }
}

const stopped = (): AppError => new AppError("mcp_server_not_ready", "The server was stopped meanwhile.", { retryable: true });
