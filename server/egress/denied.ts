import { AppError } from "#server/kernel/errors.ts";

export type DenialReason =
  | "address_not_allowed"
  | "port_not_allowed"
  | "address_malformed"
  | "redirect_refused"
  | "header_refused"
  | "answer_too_large";

/** `at` is what was to be called, as far as it is known. */
export class EgressDenied extends AppError {
  readonly reason: DenialReason;
  readonly at: string;

  constructor(message: string, { reason, at, remedy }: { reason: DenialReason; at: string; remedy?: string }) {
    super("egress_denied", message, remedy === undefined ? {} : { remedy });
    this.reason = reason;
    this.at = at;
  }
}
