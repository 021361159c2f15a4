import { fastifyCookie } from "@fastify/cookie";

/**
 * The `Set-Cookie` value. Scripts cannot read it and other sites cannot cause it to be sent; over https its name makes the
 * browser enforce that it belongs to this host alone.
 */
export function sessionCookie(session: { value: string; maxAgeSeconds: number } | null, isSecure: boolean): string {
  return fastifyCookie.serialize(isSecure ? "__Host-auterity_session" : "auterity_session", session?.value ?? "", {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    secure: isSecure,
    maxAge: session?.maxAgeSeconds ?? 0,
  });
}
