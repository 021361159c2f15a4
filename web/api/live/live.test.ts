import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LiveEvent } from "#contract/system.ts";
import { FakeEventSource, prepareBrowser } from "../../testing/browser.ts";
import { id, makeRun, makeRunSummary } from "../../testing/entities.ts";
import { keys } from "../keys.ts";
import { applyHints, batching, invalidateLater, patchPages, refreshAll, type Later } from "./apply-hints.ts";
import { onePerBrowser } from "./one-per-browser.ts";
import { followServer, parseHint, type LiveSink, type LiveStatus, type StartLive } from "./stream.ts";

const runHint = (given: Partial<Extract<LiveEvent, { type: "run" }>> = {}): Extract<LiveEvent, { type: "run" }> => ({
  type: "run",
  runId: id(100),
  workflowId: id(10),
  status: "running",
  seq: 20,
  ...given,
});

function sink(): LiveSink & { events: LiveEvent[]; statuses: LiveStatus[] } {
  const events: LiveEvent[] = [];
  const statuses: LiveStatus[] = [];
  return { events, statuses, onEvent: (event) => events.push(event), onStatus: (status) => statuses.push(status) };
}

beforeEach(() => {
  vi.useFakeTimers();
  prepareBrowser();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("following the server", () => {
  test("hands over hints and drops what it does not know", () => {
    const heard = sink();
    const stop = followServer("/events", heard);
    const source = FakeEventSource.newest();
    source.connect();
    source.send(runHint());
    source.sendRaw('{"type":"news"}');
    source.sendRaw("not json");
    expect(heard).toMatchObject({ events: [runHint()], statuses: ["live"] });
    stop();
    expect(source.closed).toBe(true);
    expect(parseHint(undefined)).toBeUndefined();
  });

  test("reconnects by itself and says when the server is away for longer", () => {
    const heard = sink();
    const stop = followServer("/events", heard);
    for (const pause of [1_000, 2_000, 4_000]) {
      FakeEventSource.newest().fail();
      vi.advanceTimersByTime(pause);
    }
    FakeEventSource.newest().connect();
    expect(heard.statuses).toEqual(["reconnecting", "reconnecting", "offline", "live"]);
    stop();
  });

  test("tries at once when the browser is online again", () => {
    const stop = followServer("/events", sink());
    const before = FakeEventSource.open.length;
    window.dispatchEvent(new Event("online"));
    expect(FakeEventSource.open.length).toBe(before + 1);
    stop();
  });
});

describe("one stream per browser", () => {
  /** Locks and channels as tabs of one browser share them. */
  function shareBrowser(): void {
    const waiting: (() => Promise<void>)[] = [];
    let held = false;
    const grant = (): void => {
      const next = held ? undefined : waiting.shift();
      void next?.();
    };
    const request = (_: string, { signal }: { signal: AbortSignal }, lead: () => Promise<void>): Promise<void> =>
      new Promise((resolve, reject) => {
        const take = async (): Promise<void> => {
          held = true;
          await lead();
          held = false;
          grant();
          resolve();
        };
        waiting.push(take);
        signal.addEventListener("abort", () => {
          const at = waiting.indexOf(take);
          if (at >= 0) reject(new DOMException("", "AbortError"));
          if (at >= 0) waiting.splice(at, 1);
        });
        grant();
      });
    vi.stubGlobal("navigator", { locks: { request } });
    const channels = new Set<EventTarget>();
    class Channel extends EventTarget {
      constructor() {
        super();
        channels.add(this);
      }
      postMessage(data: unknown): void {
        for (const other of channels) if (other !== this) other.dispatchEvent(new MessageEvent("message", { data }));
      }
      close(): void {
        channels.delete(this);
      }
    }
    vi.stubGlobal("BroadcastChannel", Channel);
  }

  test("the first tab follows the server and tells the others; the next one takes over", async () => {
    shareBrowser();
    const streams: LiveSink[] = [];
    const start = (given: LiveSink): (() => void) => {
      streams.push(given);
      return () => {};
    };
    const [first, second] = [sink(), sink()];
    const closeFirst = onePerBrowser(start)(first);
    streams[0]?.onStatus("live");
    const closeSecond = onePerBrowser(start)(second);
    expect(second.statuses).toEqual(["live"]);
    streams[0]?.onEvent(runHint());
    expect([first.events, second.events]).toEqual([[runHint()], [runHint()]]);
    expect(streams).toHaveLength(1);
    closeFirst();
    await vi.waitFor(() => expect(streams).toHaveLength(2));
    streams[1]?.onStatus("reconnecting");
    expect(second.statuses).toEqual(["live", "reconnecting"]);
    closeSecond();
  });

  test("without locks every tab has a stream of its own", () => {
    vi.stubGlobal("navigator", {});
    const start = vi.fn<StartLive>(() => () => {});
    onePerBrowser(start)(sink());
    expect(start).toHaveBeenCalledOnce();
  });
});

describe("hints", () => {
  const pages = () => ({ pages: [{ items: [makeRunSummary({ status: "running", seq: 5 })], nextCursor: null }], pageParams: [undefined] });

  test("change a listed run at once and read the list again later", () => {
    const client = new QueryClient();
    client.setQueryData(keys.runs.list({}), pages());
    client.setQueryData([...keys.runs.lists, "recent", 6], { items: [] });
    const { later, stop } = invalidateLater(client);
    applyHints(client, [runHint({ seq: 19 }), runHint({ status: "succeeded", seq: 20 }), runHint({ seq: 18 })], later);
    expect(client.getQueryData(keys.runs.list({}))).toMatchObject({ pages: [{ items: [{ status: "succeeded", seq: 20 }] }] });
    expect(client.getQueryState(keys.runs.list({}))?.isInvalidated).toBe(false);
    vi.advanceTimersByTime(5_000);
    expect(client.getQueryState(keys.runs.list({}))?.isInvalidated).toBe(true);
    stop();
  });

  test("leave a list alone that is newer", () => {
    const data = pages();
    expect(patchPages(data, runHint({ seq: 5 }))).toBe(data);
    expect(patchPages(data, runHint({ runId: id(999) }))).toBe(data);
  });

  test("invalidate the thing they are about", () => {
    const client = new QueryClient();
    const seen = [keys.runs.detail(id(100)), keys.runs.journal(id(100)), keys.mcp.list, keys.agents.list, keys.workflows.detail(id(10))];
    for (const key of seen) client.setQueryData(key, key === seen[0] ? makeRun({ status: "queued" }) : {});
    const later = vi.fn<Later>();
    applyHints(
      client,
      [
        runHint(),
        { type: "mcp_server", serverId: id(20), state: "READY" },
        { type: "agent", agentId: id(40), status: "online" },
        { type: "workflow", workflowId: id(10), version: 2 },
      ],
      later,
    );
    expect(seen.map((key) => client.getQueryState(key)?.isInvalidated)).toEqual([true, true, true, true, true]);
    expect(later).toHaveBeenCalledWith(keys.messages.run(id(100)), expect.any(Number));
  });

  test("do not read a run again whose status they do not change", () => {
    const client = new QueryClient();
    client.setQueryData(keys.runs.detail(id(100)), makeRun({ status: "running" }));
    applyHints(client, [runHint()], () => {});
    expect(client.getQueryState(keys.runs.detail(id(100)))?.isInvalidated).toBe(false);
  });

  test("that were dropped mean that everything is read again, but what cannot change", () => {
    const client = new QueryClient();
    client.setQueryData(keys.mcp.list, []);
    client.setQueryData(keys.version(id(10), 1), {});
    applyHints(client, [{ type: "resync" }], () => {});
    refreshAll(client);
    expect(client.getQueryState(keys.mcp.list)?.isInvalidated).toBe(true);
    expect(client.getQueryState(keys.version(id(10), 1))?.isInvalidated).toBe(false);
  });

  test("that come together are handed over together", () => {
    const batches: number[][] = [];
    const { add, stop } = batching<number>((batch) => batches.push([...batch]), 100);
    add(1);
    add(2);
    vi.advanceTimersByTime(100);
    add(3);
    stop();
    vi.advanceTimersByTime(100);
    expect(batches).toEqual([[1, 2]]);
  });
});
