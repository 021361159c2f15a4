import { Command } from "commander";
import { expect, test } from "vitest";
import { standingFor } from "./options.ts";

test("a mistyped command of a group is told apart from an argument of the one that stands for it", async () => {
  const done: string[] = [];
  const program = new Command("auterity");
  const group = program.command("mcp");
  standingFor(group.command("list", { isDefault: true })).action(() => void done.push("list"));
  await program.parseAsync(["mcp"], { from: "user" });
  expect(done).toEqual(["list"]);
  await expect(program.parseAsync(["mcp", "lst"], { from: "user" })).rejects.toThrow("`auterity mcp` has no command lst;");
  expect(done).toEqual(["list"]);
});
