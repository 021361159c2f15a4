import { expect, test } from "vitest";
import { launchLine, shortLaunchLine } from "./launch-line.ts";

test("a launch is told in one line, its paths by their ends", () => {
  const stdio = {
    transport: "stdio",
    command: "/usr/local/bin/node",
    args: ["/a/b/c/server/dist/index.js", "--root", "/data", "/a/b/c"],
    env: {},
  } as const;
  expect(launchLine({ ...stdio, args: [...stdio.args] })).toBe("/usr/local/bin/node /a/b/c/server/dist/index.js --root /data /a/b/c");
  expect(shortLaunchLine({ ...stdio, args: [...stdio.args] })).toBe("node …/server/dist/index.js --root /data /a/b/c");
  const http = { transport: "http", url: "https://example.com/mcp", headers: {} } as const;
  expect([launchLine(http), shortLaunchLine(http)]).toEqual([http.url, http.url]);
});
