import { ApiError } from "#sdk/client.ts";

/** One step of an operation: begun, then carried out, refused, or of unknown outcome because no answer came. */
export type HistoryLine = {
  op: number;
  name: string;
  state: "start" | "ok" | "fail" | "unknown";
  at: number;
  what?: string;
};

/** What the outside did and heard, in order; printed with the seed when a case fails. */
export class History {
  readonly lines: HistoryLine[] = [];
  readonly seed: number;
  #ops = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Rejects as the operation does. */
  async record<T>(name: string, work: () => Promise<T>, show: (result: T) => string = () => ""): Promise<T> {
    const op = (this.#ops += 1);
    this.#note({ op, name, state: "start" });
    try {
      const result = await work();
      this.#note({ op, name, state: "ok", what: show(result) });
      return result;
    } catch (error) {
      const refused = error instanceof ApiError;
      this.#note({ op, name, state: refused ? "fail" : "unknown", what: refused ? error.code : String(error) });
      throw error;
    }
  }

  /** Something that the test itself did: a fault, its end. */
  mark(name: string): void {
    this.#note({ op: 0, name, state: "ok" });
  }

  toString(): string {
    const began = this.lines[0]?.at ?? 0;
    const lines = this.lines.map(({ op, name, state, at, what }) => `  +${at - began} ms  #${op} ${name} ${state} ${what ?? ""}`);
    return [`seed ${this.seed}, ${this.lines.length} lines:`, ...lines].join("\n");
  }

  #note(line: Omit<HistoryLine, "at">): void {
    this.lines.push({ ...line, at: Date.now() });
  }
}
