import { TestRunner, vi } from "vitest";

const { waitFor } = vi;
const HOOK_MS = 5_000;
/** So that what was waited for in vain is said, and not that the test took too long. */
const MARGIN_MS = 500;

/** What a test waits for has as long as the test itself, unless the test says otherwise: a second, as by default, is little on a busy machine. */
vi.waitFor = (check, options = {}) => {
  const timeout = (TestRunner.getCurrentTest()?.timeout ?? HOOK_MS) - MARGIN_MS;
  return waitFor(check, typeof options === "number" ? options : { timeout, ...options });
};
