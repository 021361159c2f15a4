import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Json } from "#contract/common.ts";
import { api } from "../../api/client.ts";
import { keys } from "../../api/keys.ts";
import { notifyDone, notifyError } from "../../ui/notify.ts";

export type Decision = { decision: "approve" | "reject"; comment?: string; arguments?: Json };

export function useDecide({ id, runId }: { id: string; runId: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Decision) => api.decideApproval({ params: { id }, body }),
    onSuccess: () => notifyDone(t("approvals.decided")),
    onError: (error) => notifyError(error, t),
    // What was decided meanwhile by others is the usual reason for a refusal.
    onSettled: () => {
      void client.invalidateQueries({ queryKey: keys.approvals.all });
      void client.invalidateQueries({ queryKey: keys.runs.detail(runId) });
    },
  });
}
