import { Problem, type ErrorClass, type Issue } from "#contract/errors.ts";

/** What the server answered instead of a result. `problem` is the whole RFC 9457 document. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.detail || problem.title);
    this.status = status;
    this.problem = problem;
  }

  get code(): string {
    return this.problem.code;
  }
  get remedy(): string {
    return this.problem.remedy;
  }
  /** What it takes to go on. */
  get errorClass(): ErrorClass {
    return this.problem.class;
  }
  get requestId(): string {
    return this.problem.requestId;
  }
  get issues(): readonly Issue[] | undefined {
    return this.problem.issues;
  }
}

/** The error in an answer; also for answers that some proxy made up. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const parsed = Problem.safeParse(await response.json().catch(() => undefined));
  if (parsed.success) return new ApiError(response.status, parsed.data);
  return new ApiError(response.status, {
    type: "about:blank",
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
    code: "unexpected_answer",
    detail: `The server answered ${response.status} without saying why.`,
    class: "needs_person",
    remedy: "Check that the address is that of an Auterity server.",
    requestId: response.headers.get("x-request-id") ?? "",
  });
}
