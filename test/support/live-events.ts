import { LiveEvent } from "#contract/system.ts";
import type { StartedPlatform } from "./started-platform.ts";

type Kind = LiveEvent["type"];
type Seen<K extends Kind> = Extract<LiveEvent, { type: K }> & { at: number };
export type LiveEvents = {
  /** What has come so far, oldest first, with the monotonic time at which it came. */
  events: (LiveEvent & { at: number })[];
  of<K extends Kind>(type: K): Seen<K>[];
  stop: () => void;
};

/** The workspace's event stream, as a browser reads it. Resolves when it is open. */
export async function liveEventsOf({ url, token }: Pick<StartedPlatform, "url" | "token">): Promise<LiveEvents> {
  const controller = new AbortController();
  const response = await fetch(`${url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` }, signal: controller.signal });
  if (!response.ok) throw new Error(`the event stream answers ${response.status}`);
  const events: LiveEvents["events"] = [];
  const read = async (): Promise<void> => {
    let seen = "";
    for await (const chunk of response.body ?? []) {
      const lines = (seen + Buffer.from(chunk).toString("utf8")).split("\n");
      seen = lines.pop() ?? "";
      const at = performance.now();
      for (const line of lines) if (line.startsWith("data:")) events.push({ ...LiveEvent.parse(JSON.parse(line.slice(5))), at });
    }
  };
  void read().catch(() => {});
  const of = <K extends Kind>(type: K) => events.filter((event): event is Seen<K> => event.type === type);
  return { events, of, stop: () => controller.abort() };
}
