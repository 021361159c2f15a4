import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { allowedFor, overLimit, type Usage } from "./caps.ts";

const none: Usage = { memoryBytes: 0, cpuMs: 0, cpuPercent: 0, processes: 0, openFiles: 0, diskBytes: 0 };

describe("a server that sets no caps", () => {
  test("gets the limits of the platform", () => {
    const expected = {
      memoryBytes: LIMITS.mcpMemoryBytes,
      cpuPercent: LIMITS.mcpCpuPercent,
      processes: LIMITS.mcpProcesses,
      openFiles: LIMITS.mcpOpenFiles,
      fileBytes: LIMITS.mcpFileBytes,
      diskBytes: LIMITS.mcpDiskBytes,
    };
    expect(allowedFor(undefined)).toEqual(expected);
    expect(allowedFor({})).toEqual(expected);
    expect(allowedFor({ processes: 3 })).toEqual({ ...expected, processes: 3 });
  });

  test.each([
    ["mcpMemoryBytes", "memoryBytes", LIMITS.mcpMemoryBytes],
    ["mcpCpuPercent", "cpuPercent", LIMITS.mcpCpuPercent],
    ["mcpProcesses", "processes", LIMITS.mcpProcesses],
    ["mcpDiskBytes", "diskBytes", LIMITS.mcpDiskBytes],
  ] as const)("%s: may use as much, and is ended when it uses more", (_limit, cap, most) => {
    const allowed = allowedFor(undefined);
    expect(overLimit({ ...none, [cap]: most }, allowed)).toBeUndefined();
    expect(overLimit({ ...none, [cap]: most + 1 }, allowed)).toMatchObject({
      code: "mcp_over_limit",
      message: expect.stringContaining(`(${cap})`),
    });
  });
});
