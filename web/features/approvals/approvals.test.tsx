import { cleanup, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { makeApproval } from "../../testing/entities.ts";
import { pageOf } from "../../testing/fake-server.ts";
import { renderApp } from "../../testing/render-app.tsx";
import { parseJson } from "../../ui/parse-json.ts";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("what waits is shown with what will be done, and can be approved with a comment", async () => {
  const { user, server } = await renderApp("/approvals", (fake) =>
    fake.answer("listApprovals", pageOf([makeApproval()])).answer("decideApproval", makeApproval({ status: "pending", mayDecide: false })),
  );
  expect(await screen.findByText("Pay 5?")).toBeTruthy();
  expect(screen.getByRole("figure", { name: "What will be done" }).textContent).toContain("amount");
  await user.type(screen.getByLabelText("Comment (optional)"), "fine");
  await user.click(screen.getByRole("button", { name: "Approve" }));
  await vi.waitFor(() => expect(server.callsOf("decideApproval")[0]?.body).toEqual({ decision: "approve", comment: "fine" }));
});

test("edited arguments go with the approval, and broken ones do not", async () => {
  const { user, server } = await renderApp("/approvals", (fake) =>
    fake.answer("listApprovals", pageOf([makeApproval()])).answer("decideApproval", makeApproval()),
  );
  await user.click(await screen.findByRole("button", { name: "Edit before approving" }));
  const field = screen.getByLabelText("What will be done", { selector: "textarea" });
  await user.clear(field);
  await user.click(screen.getByRole("button", { name: "Approve" }));
  expect(screen.getByRole("alert").textContent).toContain("Expected JSON.");
  await user.type(field, "4");
  await user.click(screen.getByRole("button", { name: "Approve" }));
  await vi.waitFor(() => expect(server.callsOf("decideApproval").map(({ body }) => body)).toEqual([{ decision: "approve", arguments: 4 }]));
});

test("who may not decide is told who may", async () => {
  const { user, server } = await renderApp("/approvals", (fake) =>
    fake.answer("listApprovals", pageOf([makeApproval({ mayDecide: false, approvers: ["role:admin"] })])),
  );
  await user.click(await screen.findByRole("button", { name: "Reject" }));
  expect(server.callsOf("decideApproval")).toEqual([]);
  expect(screen.getByText(/May decide: role:admin/)).toBeTruthy();
});

test("nothing to decide says when something will be", async () => {
  const { user } = await renderApp("/approvals", (fake) => fake.answer("listApprovals", pageOf([])));
  expect(await screen.findByText("Nothing to decide")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Rejected" }));
  expect(await screen.findByText("No approval with this status.")).toBeTruthy();
});

test("text that is not JSON is nothing", () => {
  expect([parseJson("{"), parseJson("[1]")]).toEqual([undefined, [1]]);
});
