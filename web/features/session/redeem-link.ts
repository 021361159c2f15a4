import { z } from "zod";
import { api } from "../../api/client.ts";

/** How a one-time link that may stand in the address fared. */
export type LinkOutcome = "none" | "accepted" | "refused";

const Code = z.string().min(16).max(128);

/**
 * Exchanges the code of `?t=<code>` for a session cookie. The code leaves the address bar and the history whatever the
 * server says: it must not be shared or bookmarked by accident.
 */
export async function redeemLink(location: Pick<Location, "href">, history: Pick<History, "replaceState">): Promise<LinkOutcome> {
  const url = new URL(location.href);
  const given = url.searchParams.get("t");
  if (given === null) return "none";
  url.searchParams.delete("t");
  history.replaceState(null, "", `${url.pathname}${url.search}${url.hash}`);
  const code = Code.safeParse(given).data;
  if (code === undefined) return "refused";
  try {
    await api.createSession({ body: { code } });
    return "accepted";
  } catch {
    return "refused";
  }
}
