import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { uuidv7 } from "uuidv7";
import type { Json } from "#contract/common.ts";
import { api } from "../../api/client.ts";
import { keys } from "../../api/keys.ts";

/** Starts a run and goes to its page. */
export function useStartRun(workflowId: string) {
  const navigate = useNavigate();
  const client = useQueryClient();
  // One key per input: pressing twice, or pressing again after a lost answer, starts one run.
  const sent = useRef({ input: "", key: "" });
  return useMutation({
    mutationFn: (input: Json) => {
      const text = JSON.stringify(input);
      if (sent.current.input !== text) sent.current = { input: text, key: uuidv7() };
      return api.startRun({ params: { id: workflowId }, headers: { "idempotency-key": sent.current.key }, body: { input } });
    },
    onSuccess: async (run) => {
      client.setQueryData(keys.runs.detail(run.id), run);
      void client.invalidateQueries({ queryKey: keys.runs.lists });
      await navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
  });
}
