import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { uuidv7 } from "uuidv7";
import type { Json } from "#contract/common.ts";
import { api } from "../../api/client.ts";
import { keys } from "../../api/keys.ts";

/** With `breakpoints`, even none, the run is one for trying the workflow out. */
type Asked = { input: Json; breakpoints?: readonly string[] | undefined };

/** Starts a run and goes to its page. */
export function useStartRun(workflowId: string) {
  const navigate = useNavigate();
  const client = useQueryClient();
  // One key per request: pressing twice, or pressing again after a lost answer, starts one run.
  const sent = useRef({ text: "", key: "" });
  return useMutation({
    mutationFn: ({ input, breakpoints }: Asked) => {
      const body = { input, ...(breakpoints ? { mode: "editor" as const, breakpoints: [...breakpoints] } : {}) };
      const text = JSON.stringify(body);
      if (sent.current.text !== text) sent.current = { text, key: uuidv7() };
      return api.startRun({ params: { id: workflowId }, headers: { "idempotency-key": sent.current.key }, body });
    },
    onSuccess: async (run) => {
      client.setQueryData(keys.runs.detail(run.id), run);
      void client.invalidateQueries({ queryKey: keys.runs.lists });
      await navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
  });
}
