import type { Permission, Role } from "#contract/permissions.ts";

/** Who sends a request, after authentication. `ref` is how the caller appears in runs and audit rows: `user:<id>`. */
export type Caller = {
  readonly tenantId: string;
  readonly principalId: string;
  readonly ref: string;
  readonly name: string;
  readonly kind: "user" | "service_account" | "agent";
  readonly role: Role | null;
  readonly permissions: ReadonlySet<Permission>;
};
