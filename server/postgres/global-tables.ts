/**
 * Every table that is not owned by a tenant. All others must have `tenant_id uuid not null` and forced row-level security;
 * a test compares this list with the database.
 */
export const GLOBAL_TABLES = [
  // The list of tenants; a tenant sees its own row.
  "tenants",
  // What has been applied, and what the schema looked like afterwards.
  "schema_migrations",
  "schema_description",
] as const;
