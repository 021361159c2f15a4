import type { ErrorCode } from "#contract/errors.ts";

/** What a server is taken out for when it happens `most` times within `withinMs`. The reason completes "It …". */
type Rule = { most: number; withinMs: number; reason: string };

const MINUTES = 60_000;

export const RULES = {
  protocol: { most: 3, withinMs: 10 * MINUTES, reason: "has broken the protocol again and again" },
  over_limit: { most: 3, withinMs: 10 * MINUTES, reason: "has gone over its limits again and again" },
  /** Of processes beside the first one, which has its pauses: sessions that fall over are started anew by each call. */
  spawn_storm: { most: 100, withinMs: MINUTES, reason: "loses its processes as fast as they are started" },
} as const satisfies Record<string, Rule>;
export type Offence = keyof typeof RULES;

/** What the loss of a connection says about the server, beside that it is gone. */
export const OFFENCE_OF: Partial<Record<ErrorCode, Offence>> = {
  mcp_protocol_error: "protocol",
  mcp_message_too_large: "protocol",
  mcp_over_limit: "over_limit",
};

/** Counts what a server has done, for the rules. */
export class Offences {
  readonly #at = new Map<Offence, number[]>();

  /** Whether this is once too often; the count then begins again. */
  count(offence: Offence, now: number): boolean {
    const { most, withinMs } = RULES[offence];
    const recent = [...(this.#at.get(offence) ?? []).filter((at) => now - at < withinMs), now];
    const isTooOften = recent.length >= most;
    this.#at.set(offence, isTooOften ? [] : recent);
    return isTooOften;
  }

  forget(): void {
    this.#at.clear();
  }
}
