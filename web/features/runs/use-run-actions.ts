import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { uuidv7 } from "uuidv7";
import type { Json } from "#contract/common.ts";
import type { Answer } from "#contract/journal.ts";
import type { Question, Run } from "#contract/runs.ts";
import { api } from "../../api/client.ts";
import { isNetworkError } from "../../api/explain.ts";
import { keys } from "../../api/keys.ts";
import type { StepRef } from "../../graph/scope.ts";
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

/** Starts a run that goes on from another and leads to it.  */
function useNewRun<T>(start: (asked: T, headers: { "idempotency-key": string }) => Promise<Run>) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  const navigate = useNavigate();
  const [key, setKey] = useState(uuidv7);
  return useMutation({
    mutationFn: (asked: T) => start(asked, { "idempotency-key": key }),
    onSuccess: async (run) => {
      takeOver(run);
      notifyDone(t("run.retried"));
      await navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
    onError: (error) => notifyError(error, t),
    // A request that was lost is repeated under the same key; an answered one is over.
    onSettled: (run, error) => (run || !isNetworkError(error) ? setKey(uuidv7()) : undefined),
  });
}

export type RetryFrom = "failed" | "start";

/** Without `from`: from where it failed or, of a run that has succeeded, from its start. */
export const useRetryRun = ({ id }: Pick<Run, "id">) =>
  useNewRun((from: RetryFrom | undefined, headers) =>
    api.retryRun({ params: { id }, headers, ...(from === undefined ? {} : { body: { from } }) }),
  );

export const useForkRun = (id: string) =>
  useNewRun((body: { from: StepRef; input?: Json }, headers) => api.forkRun({ params: { id }, headers, body }));

/** Lets workers take up a dead run again. */
export function useRequeueRun(id: string) {
  const { t } = useTranslation();
  const takeOver = useTakeOver();
  return useMutation({
    mutationFn: () => api.requeueRun({ params: { id } }),
    onSuccess: (run) => {
      takeOver(run);
      notifyDone(t("run.dead.requeued"));
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
