import { afterEach, expect, test, vi } from "vitest";
import { makeMe } from "../../testing/entities.ts";
import { FakeServer } from "../../testing/fake-server.ts";
import { redeemLink } from "./redeem-link.ts";

afterEach(() => vi.unstubAllGlobals());

const history = () => ({ replaceState: vi.fn<History["replaceState"]>() });
const code = "c".repeat(32);

test("a link's code becomes a session and leaves the address, which stays otherwise", async () => {
  const server = new FakeServer().answer("createSession", makeMe());
  vi.stubGlobal("fetch", server.fetch);
  const past = history();
  expect(await redeemLink({ href: `http://127.0.0.1:4600/runs/x?tab=events&t=${code}#a` }, past)).toBe("accepted");
  expect(server.callsOf("createSession")[0]?.body).toEqual({ code });
  expect(past.replaceState).toHaveBeenCalledWith(null, "", "/runs/x?tab=events#a");
});

test("a used or broken link is refused, and leaves the address all the same", async () => {
  vi.stubGlobal("fetch", new FakeServer().refuse("createSession", 401, { code: "link_used" }).fetch);
  const past = history();
  expect(await redeemLink({ href: `http://127.0.0.1:4600/?t=${code}` }, past)).toBe("refused");
  expect(await redeemLink({ href: "http://127.0.0.1:4600/?t=short" }, past)).toBe("refused");
  expect(past.replaceState).toHaveBeenCalledTimes(2);
});

test("an address without a code is left alone", async () => {
  const past = history();
  expect(await redeemLink({ href: "http://127.0.0.1:4600/runs" }, past)).toBe("none");
  expect(past.replaceState).not.toHaveBeenCalled();
});
