import { FAILURE_CAUSES, type FailureEvidence } from "#contract/mcp/failures.ts";
import { AppError } from "#server/kernel/errors.ts";

type Options = {
  cause?: unknown;
  /** Better than the code's own. */
  remedy?: string;
  likelyCause?: string;
  retryable?: boolean;
  evidence?: FailureEvidence;
};

/** A failure to connect, with its likely cause and what was seen. The evidence may still hold secrets. */
export class ConnectionFailure extends AppError {
  readonly likelyCause: string;
  readonly evidence: FailureEvidence;

  constructor(code: keyof typeof FAILURE_CAUSES, message: string, { likelyCause, evidence, ...options }: Options = {}) {
    super(code, message, options);
    this.likelyCause = likelyCause ?? FAILURE_CAUSES[code];
    this.evidence = evidence ?? {};
  }
}
