import { expect, test } from "vitest";
import { ApiError } from "#sdk/client.ts";
import { createI18n } from "../i18n/index.ts";
import { explain } from "./explain.ts";

const problem = {
  type: "about:blank",
  title: "Denied",
  status: 403,
  code: "permission_denied",
  detail: "This needs the permission run:start.",
  remedy: "Ask.",
  class: "needs_person" as const,
  requestId: "r",
};

test("errors are told with a remedy and an id, refusals with the permission", async () => {
  const { t } = await createI18n();
  expect(explain(new ApiError(403, problem), t)).toMatchObject({ permission: "run:start", requestId: "r", isNetwork: false });
  const conflict = { ...problem, code: "conflict", detail: "", issues: [{ path: "/a", message: "wrong" }] };
  expect(explain(new ApiError(409, conflict), t)).toMatchObject({ title: "Denied", issues: [{ path: "/a" }] });
  expect(explain(new TypeError("Failed to fetch"), t)).toMatchObject({ code: "network", isNetwork: true });
  expect(explain(new Error("Broken"), t)).toMatchObject({ code: "unexpected", title: "Broken" });
  expect(explain("?", t).title).toContain("unexpected");
});
