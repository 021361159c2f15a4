import { describe, expect, test } from "vitest";
import { CommandStore } from "./command-store.ts";
import { COMMAND_IDS, keysOf, specOf } from "./commands.ts";
import { chordOf, isTyping, matchPress, type Press } from "./shortcuts.ts";

const press = (key: string, held: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...held,
});

describe("a press", () => {
  test.each([
    [press("k", { ctrlKey: true }), "mod+k"],
    [press("k", { metaKey: true }), "mod+k"],
    [press("?", { shiftKey: true }), "?"],
    [press("+", { shiftKey: true }), "plus"],
    [press("T", { shiftKey: true }), "shift+t"],
    [press("Enter", { shiftKey: true }), "shift+enter"],
    [press("ArrowLeft", { altKey: true }), "alt+arrowleft"],
    [press(" "), "space"],
  ])("%j is %s", (given, chord) => {
    expect(chordOf(given)).toBe(chord);
  });
});

describe("shortcuts", () => {
  const bindings = [
    { keys: "g r", target: "runs" },
    { keys: "g w", target: "workflows" },
    { keys: "j", target: "next" },
  ];

  test("are matched at once or as a sequence", () => {
    expect(matchPress("j", "", bindings)).toEqual({ hit: "next", pending: "" });
    expect(matchPress("g", "", bindings)).toEqual({ hit: undefined, pending: "g" });
    expect(matchPress("r", "g", bindings)).toEqual({ hit: "runs", pending: "" });
  });

  test("forget a sequence that leads nowhere, or begin another", () => {
    expect(matchPress("x", "g", bindings)).toEqual({ hit: undefined, pending: "" });
    expect(matchPress("j", "g", bindings)).toEqual({ hit: "next", pending: "" });
    expect(matchPress("g", "g", bindings)).toEqual({ hit: undefined, pending: "g" });
  });

  test("are not taken from whoever types", () => {
    document.body.innerHTML = '<input id="i"><div role="menu"><b id="m"></b></div><p id="p"></p>';
    expect(["i", "m", "p"].map((id) => isTyping(document.getElementById(id)))).toEqual([true, true, false]);
    expect(isTyping(null)).toBe(false);
  });

  test("are unique among commands that can be there together", () => {
    const everywhere = COMMAND_IDS.filter((id) => ["general", "navigation", "run"].includes(specOf(id).group)).flatMap(
      (id) => specOf(id).keys ?? [],
    );
    expect(new Set(everywhere).size).toBe(everywhere.length);
    expect(keysOf("palette")).toBe("mod+k");
  });
});

describe("the command store", () => {
  test("offers what is registered, the newest first", () => {
    const store = new CommandStore();
    const calls: string[] = [];
    const changes: number[] = [];
    store.subscribe(() => changes.push(store.available().length));
    const leave = store.register({ current: { fit: () => calls.push("page") } });
    const leaveInner = store.register({ current: { fit: () => calls.push("inner"), walk: undefined } });
    store.handlerOf("fit")?.();
    leaveInner();
    store.handlerOf("fit")?.();
    leave();
    expect(calls).toEqual(["inner", "page"]);
    expect(changes).toEqual([1, 0]);
    expect(store.handlerOf("fit")).toBeUndefined();
  });

  test("tells when a layer's commands come and go", () => {
    const store = new CommandStore();
    const layer: { current: { fit?: () => void } } = { current: {} };
    store.register(layer);
    expect(store.available()).toEqual([]);
    layer.current = { fit: () => {} };
    store.refresh();
    expect(store.available()).toEqual(["fit"]);
  });
});
