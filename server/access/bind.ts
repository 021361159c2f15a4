import { AppError } from "#server/kernel/errors.ts";

export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Refuses to serve beyond this machine while nobody would have to prove who they are. The one-time link works only on
 * loopback; the bootstrap token is an account (of an automation) and so allows any other bind.
 */
export function assertBindAllowed(host: string, { hasAccounts }: { hasAccounts: boolean }): void {
  if (hasAccounts || isLoopbackHost(host)) return;
  throw new AppError("config_invalid", `AUTERITY_HOST: ${host} is reachable from other machines, and there are no accounts yet.`, {
    remedy: "Listen on 127.0.0.1, or set AUTERITY_BOOTSTRAP_TOKEN (at least 16 characters) and use it as the bearer token.",
  });
}
