/**
 * The `Set-Cookie` value. Scripts cannot read it and other sites cannot cause it to be sent; over https its name makes the
 * browser enforce that it belongs to this host alone. Session values are base64url, so nothing has to be escaped.
 */
export function sessionCookie(session: { value: string; maxAgeSeconds: number } | null, isSecure: boolean): string {
  const name = isSecure ? "__Host-auterity_session" : "auterity_session";
  const attributes = [`Max-Age=${session?.maxAgeSeconds ?? 0}`, "Path=/", "HttpOnly", "SameSite=Strict", ...(isSecure ? ["Secure"] : [])];
  return [`${name}=${session?.value ?? ""}`, ...attributes].join("; ");
}
