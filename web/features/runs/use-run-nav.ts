import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { formatStepRef, parseStepRef, type StepRef } from "../../graph/scope.ts";
import type { RunTab } from "./run-tabs.ts";

const route = getRouteApi("/runs/$runId");

export type RunNav = {
  runId: string;
  tab: RunTab;
  /** The chosen step; the same in every tab. */
  step: StepRef | undefined;
  setTab: (tab: RunTab) => void;
  open: (step: StepRef, tab?: RunTab) => void;
  close: () => void;
};

/** Where on the run page one is. Everything stands in the address, so that a link leads to the same view. */
export function useRunNav(): RunNav {
  const { runId } = route.useParams();
  const { tab = "graph", step: text } = route.useSearch();
  const navigate = useNavigate();
  return useMemo(() => {
    const go = (next: { tab: RunTab; step: string | undefined }): void => {
      const search = { ...(next.tab === "graph" ? {} : { tab: next.tab }), ...(next.step === undefined ? {} : { step: next.step }) };
      void navigate({ to: "/runs/$runId", params: { runId }, search, replace: true });
    };
    return {
      runId,
      tab,
      step: parseStepRef(text),
      setTab: (next) => go({ tab: next, step: text }),
      open: (step, next = tab) => go({ tab: next, step: formatStepRef(step) }),
      close: () => go({ tab, step: undefined }),
    };
  }, [navigate, runId, tab, text]);
}
