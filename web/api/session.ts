import { queryOptions, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Me } from "#contract/access.ts";
import type { Permission } from "#contract/permissions.ts";
import { ApiError } from "#sdk/client.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";

export const meQuery = queryOptions({ queryKey: keys.me, queryFn: ({ signal }) => api.getMe({ signal }), staleTime: 60_000 });

/** Undefined until it is known. Below the session gate it is always known. */
export const useMe = (): Me | undefined => useQuery(meQuery).data;

export const isSignedOut = (error: unknown): boolean => error instanceof ApiError && error.problem.code === "unauthenticated";

/** Whether the caller may do something, and if not, why: for the tooltip of the disabled control. */
export function usePermission(permission: Permission): { allowed: boolean; reason: string | undefined } {
  const { t } = useTranslation();
  const allowed = useMe()?.permissions.includes(permission) ?? false;
  return { allowed, reason: allowed ? undefined : t("common.denied.reason", { permission }) };
}
