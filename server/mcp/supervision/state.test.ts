import { describe, expect, test } from "vitest";
import { SERVER_STATES } from "#contract/mcp/servers.ts";
import { RECONCILE, TRANSITIONS, isUp, nextState } from "./state.ts";

const reachable = (from: string): Set<string> => {
  const seen = new Set<string>([from]);
  for (const state of seen) {
    const next = Object.entries(TRANSITIONS).find(([name]) => name === state)?.[1] ?? {};
    for (const to of Object.values<string>(next)) seen.add(to);
  }
  return seen;
};

describe("the life of a server", () => {
  test("every state is reached from every other one", () => {
    for (const from of SERVER_STATES) expect([...reachable(from)].toSorted()).toEqual([...SERVER_STATES].toSorted());
  });

  test("nothing that runs ends without being stopped, and quarantine leads nowhere but out", () => {
    for (const up of SERVER_STATES.filter((state) => isUp(state) || state === "STARTING")) {
      expect(Object.values<string>(TRANSITIONS[up])).not.toContain("STOPPED");
      expect(Object.values<string>(TRANSITIONS[up])).not.toContain("QUARANTINED");
    }
    expect(TRANSITIONS.QUARANTINED).toEqual({ released: "STOPPED" });
    expect(nextState("QUARANTINED", "start")).toBeUndefined();
  });

  test("calls go through while READY and DEGRADED", () => {
    expect(SERVER_STATES.filter(isUp)).toEqual(["READY", "DEGRADED"]);
  });

  test.each(Object.entries(RECONCILE))("what is done for a server that is to be %s comes to an end", (wanted, actions) => {
    const after = { start: "READY", down: "STOPPED", quarantined: "QUARANTINED", released: "STOPPED" } as const;
    for (const from of SERVER_STATES) {
      let state: (typeof SERVER_STATES)[number] = from;
      const path: string[] = [];
      for (let action = actions[state]; action !== "nothing"; action = actions[state]) {
        path.push(action);
        expect(path.length).toBeLessThan(4);
        state = after[action];
      }
      const expected = { running: from === "FAILED" ? "FAILED" : state, stopped: "STOPPED", quarantined: "QUARANTINED" };
      expect({ from, wanted, state }).toEqual({ from, wanted, state: Object.entries(expected).find(([name]) => name === wanted)?.[1] });
    }
  });
});
