import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test, vi } from "vitest";
import { failingServers } from "#test/support/mcp/failing-servers.ts";
import { bounded, paced } from "./http-bounds.ts";
import { MESSAGE_BYTES } from "./stdio-transport.ts";

const servers = failingServers();
afterAll(() => servers.close());

const QUICK = { httpHeadersMs: 150, httpIdleMs: 150, httpBodyMs: 400 };
const get = async (url: string, bounds = QUICK): Promise<string> => (await bounded(globalThis.fetch, bounds)(url)).text();
const tooLate = (why: string) => ({ code: "mcp_timeout", message: expect.stringContaining(why), retryable: true });

describe("N-22 an HTTP server that takes its time is given up", () => {
  test("when it sends no headers", async () => {
    await expect(get(await servers.mute())).rejects.toMatchObject(tooLate("no answer within 150 ms"));
  });

  test("when it stops in the middle of a document", async () => {
    for (const headers of [{}, { "content-length": "100" }]) {
      const { url } = await servers.serve((_request, response) => void response.writeHead(200, headers).write("{"));
      await expect(get(url)).rejects.toMatchObject(tooLate("nothing more of its answer within 150 ms"));
    }
  });

  test("when it goes on and on, one byte at a time", async () => {
    const bounds = { httpHeadersMs: 60_000, httpIdleMs: 60_000, httpBodyMs: 400 };
    await expect(get(await servers.slow("x".repeat(100), 50), bounds)).rejects.toMatchObject(tooLate("did not end within 400 ms"));
  });

  test("but a stream of events may be silent", async () => {
    const { url } = await servers.serve(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": here\n\n");
      await sleep(600);
      response.end("data: late\n\n");
    });
    expect(await get(url)).toContain("data: late");
  });
});

describe("M-23 an HTTP server that sends too much is cut off", () => {
  const flood = (type: string, piece: string) =>
    servers.serve((_request, response) => {
      response.writeHead(200, { "content-type": type });
      const more = (): void => void (response.writable && response.write(piece, more));
      more();
    });
  test("a document, or one event without an end", async () => {
    for (const [type, piece] of [
      ["application/json", "x".repeat(1 << 20)],
      ["text/event-stream", `data: ${"x".repeat(1 << 20)}\n`],
      ["text/event-stream", `id: ${"1".repeat(1 << 20)}\n`],
    ] as const) {
      const patient = { ...QUICK, httpBodyMs: 60_000, httpIdleMs: 60_000 };
      const { url } = await flood(type, piece);
      const response = await bounded(globalThis.fetch, patient)(url);
      await expect(response.text()).rejects.toMatchObject({ code: "mcp_message_too_large" });
    }
  });

  test("but not a stream of small ones", async () => {
    const event = `data: ${"x".repeat(64 * 1024)}\n\n`;
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let sent = 0; sent < MESSAGE_BYTES * 1.2; sent += event.length) response.write(event);
      response.end();
    });
    expect((await get(url)).length).toBeGreaterThan(MESSAGE_BYTES);
  });
});

describe("M-23 a stream that ends is opened again", () => {
  test("never sooner than the floor, later each time, and not in step with others", () => {
    vi.useFakeTimers();
    const set = vi.spyOn(globalThis, "setTimeout");
    const schedule = paced(1_000, () => 0.5);
    const pauses = [1, 1, 1, 1, 1, 1, 1, 1].map((asked, attempt) => {
      schedule(() => {}, asked, attempt);
      return set.mock.calls.at(-1)?.[1];
    });
    expect(pauses).toEqual([1_150, 2_300, 4_600, 9_200, 18_400, 34_500, 34_500, 34_500]);
    schedule(() => {}, 1e12, 0);
    expect(set.mock.calls.at(-1)?.[1]).toBe(34_500);
    vi.useRealTimers();
  });
});
