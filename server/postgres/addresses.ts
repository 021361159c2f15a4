import { AppError } from "../kernel/errors.ts";

/** The three roles every installation has; passwords are the platform's, made from its own key. */
export const ROLES = ["auterity_owner", "auterity_api", "auterity_worker"] as const;
export type DatabaseRole = (typeof ROLES)[number];

/**
 * The same server and database with another login. As query parameters, which win over the authority: an address of a
 * unix socket has an empty host, beside which a URL cannot hold a user.
 */
export function withLogin(url: string, role: string, password: string): string {
  const parsed = parse(url);
  parsed.searchParams.set("user", role);
  parsed.searchParams.set("password", password);
  return parsed.href;
}

/** Another database of the same server. */
export function withDatabase(url: string, database: string): string {
  const parsed = parse(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}

function parse(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new AppError("config_invalid", "DATABASE_URL should be an address such as postgresql://user:password@host:5432/database.");
  }
  return parsed;
}
