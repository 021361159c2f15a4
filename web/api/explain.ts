import type { TFunction } from "i18next";
import type { Issue } from "#contract/errors.ts";
import { ApiError } from "#sdk/client.ts";

export type Explanation = {
  code: string;
  title: string;
  remedy: string;
  requestId?: string;
  permission?: string;
  isNetwork: boolean;
  issues: readonly Issue[];
};

/** The permission that a refusal names in its detail. */
const NAMED_PERMISSION = /\b[a-z_]+:[a-z_]+\b/;

/** Whether the server could not be reached at all, so that trying again later can help. */
export const isNetworkError = (error: unknown): boolean => error instanceof TypeError;

/** What to tell a person about anything that was thrown while talking to the server. */
export function explain(error: unknown, t: TFunction): Explanation {
  if (error instanceof ApiError) {
    const { code, detail, title, remedy, requestId, issues = [] } = error.problem;
    const denied = code === "permission_denied" ? NAMED_PERMISSION.exec(detail)?.[0] : undefined;
    return {
      code,
      title: detail || title,
      remedy,
      requestId,
      issues,
      isNetwork: false,
      ...(denied === undefined ? {} : { permission: denied }),
    };
  }
  if (isNetworkError(error))
    return { code: "network", title: t("common.error.network"), remedy: t("common.error.networkRemedy"), issues: [], isNetwork: true };
  const title = error instanceof Error && error.message ? error.message : t("common.error.unexpected");
  return { code: "unexpected", title, remedy: t("common.error.unexpectedRemedy"), issues: [], isNetwork: false };
}
