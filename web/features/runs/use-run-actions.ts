import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { uuidv7 } from "uuidv7";
import type { Answer } from "#contract/journal.ts";
import type { Question, Run } from "#contract/runs.ts";
import { api } from "../../api/client.ts";
import { keys } from "../../api/keys.ts";
import { notifyDone, notifyError } from "../../ui/notify.ts";

/** Takes over what the server answered, and reads again what may have changed with it. */
function useTakeOver(): (run: Run) => void {
  const client = useQueryClient();
  return (run) => {
    client.setQueryData(keys.runs.detail(run.id), run);
    void client.invalidateQueries({ queryKey: keys.runs.journal(run.id) });
    void client.invalidateQueries({ queryKey: keys.runs.lists });
  };
}

export function useCancelRun(runId: string) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  return useMutation({
    mutationFn: ({ reason, force }: { reason: string; force: boolean }) =>
      api.cancelRun({ params: { id: runId }, body: { ...(reason === "" ? {} : { reason }), ...(force ? { force } : {}) } }),
    onSuccess: (run) => {
      takeOver(run);
      notifyDone(t("run.cancelled"));
    },
    onError: (error) => notifyError(error, t),
  });
}

/** Pauses a run, or goes on with one that is paused. */
export function usePauseRun({ id, status }: Pick<Run, "id" | "status">) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  return useMutation({
    mutationFn: () => (status === "paused" ? api.resumeRun({ params: { id }, body: {} }) : api.pauseRun({ params: { id }, body: {} })),
    onSuccess: takeOver,
    onError: (error) => notifyError(error, t),
  });
}

export function useRetryRun({ id }: Pick<Run, "id">) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  const navigate = useNavigate();
  const [key, setKey] = useState(uuidv7);
  return useMutation({
    mutationFn: () => api.retryRun({ params: { id }, headers: { "idempotency-key": key } }),
    onSuccess: async (run) => {
      takeOver(run);
      setKey(uuidv7());
      notifyDone(t("run.retried"));
      await navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
    onError: (error) => notifyError(error, t),
  });
}

/** Answers one question, or all of them when none is named. */
export function useAnswer(runId: string) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  return useMutation({
    mutationFn: ({ answer, question }: { answer: Answer; question?: Question | undefined }) =>
      api.resumeRun({ params: { id: runId }, body: { answer, ...(question ? { nodeId: question.nodeId, scope: question.scope } : {}) } }),
    onSuccess: (run) => {
      takeOver(run);
      notifyDone(t("run.question.answered"));
    },
    onError: (error) => notifyError(error, t),
  });
}
