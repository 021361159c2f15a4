import { describe, expect, test, vi } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import type { Exit, Running } from "./start.ts";
import { supervise } from "./supervise.ts";

const KILLED: Exit = { code: null, signal: "SIGKILL" };
/** A server that is no process at all; `die` ends it. Its pid is one that no process can have. */
const fakeServer = (pid: number): Running & { die: () => void } => {
  const exit = Promise.withResolvers<Exit>();
  const place = { home: "/nowhere", cluster: "/nowhere/cluster", account: undefined };
  return { pid: 2 ** 22 + pid, port: 1, place, exited: exit.promise, die: () => exit.resolve(KILLED) };
};

describe("the supervision of a server", () => {
  test("replaces one that died, and ends when it is stopped", async () => {
    const [first, second] = [fakeServer(1), fakeServer(2)];
    const server = supervise(first, { log: silentLog, relaunch: async () => second });
    first.die();
    await vi.waitUntil(() => server.pid() === second.pid);
    second.die();
    await Promise.all([server.stop(), server.stop()]);
    await expect(server.ended).resolves.toEqual({ ...KILLED, expected: true });
  });

  test("gives up when it does not come up again", async () => {
    const first = fakeServer(1);
    const server = supervise(first, { log: silentLog, relaunch: () => Promise.reject(new Error("no space")) });
    first.die();
    await expect(server.ended).resolves.toEqual({ ...KILLED, expected: false });
    await server.stop();
  });

  test("gives up when it dies again and again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    try {
      const first = fakeServer(0);
      let launched = 0;
      const relaunch = async (): Promise<Running> => {
        const next = fakeServer((launched += 1));
        next.die();
        return next;
      };
      const server = supervise(first, { log: silentLog, relaunch });
      first.die();
      await expect(server.ended).resolves.toEqual({ ...KILLED, expected: false });
      expect(launched).toBe(5);
    } finally {
      vi.useRealTimers();
    }
  });
});
