import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Approval } from "#contract/approvals.ts";
import { usePermission } from "../../api/session.ts";
import { Button } from "../../ui/button.tsx";
import { Field, Input, TextArea, describedBy } from "../../ui/field.tsx";
import { GatedButton } from "../../ui/gated-button.tsx";
import { JsonTree } from "../../ui/json-view.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { parseJson } from "../../ui/parse-json.ts";
import { useDecide } from "./use-decide.ts";

/** One question to people: what is asked, what will be done, who has said what, and the buttons to decide. */
export const ApprovalCard = ({ approval, showsRun }: { approval: Approval; showsRun: boolean }) => {
  const { t } = useTranslation();
  const { message, nodeId, workflowName, runId, scope, requestedAt, deadline } = approval;
  return (
    <li className="flex flex-col gap-3 rounded-xl border border-line bg-raised p-4 shadow-1">
      <div className="flex min-w-0 flex-col gap-1">
        <p className="font-semibold text-pretty">{message ?? t("approvals.step", { step: nodeId, workflow: workflowName })}</p>
        <p className="flex flex-wrap items-center gap-x-3 text-xs text-ink-3">
          {showsRun ? (
            <Link to="/runs/$runId" params={{ runId }} className="text-accent hover:underline">
              {t("approvals.step", { step: nodeId, workflow: workflowName })}
            </Link>
          ) : null}
          {scope === "" ? null : <code className="font-mono text-2xs">{scope}</code>}
          <RelativeTime at={requestedAt} />
          {deadline === null ? null : (
            <span>
              {t("approvals.deadline")} <RelativeTime at={deadline} />
            </span>
          )}
        </p>
      </div>
      {approval.arguments === null ? null : (
        <figure aria-label={t("approvals.arguments")} className="rounded-lg border border-line bg-sunken p-2">
          <JsonTree value={approval.arguments} />
        </figure>
      )}
      <Decisions approval={approval} />
      {approval.status === "pending" ? <Decide approval={approval} /> : null}
    </li>
  );
};

const Decisions = ({ approval: { decisions, needed, approvers } }: { approval: Approval }) => {
  const { t } = useTranslation();
  const approved = decisions.filter(({ decision }) => decision === "approve").length;
  return (
    <div className="text-xs text-ink-2">
      <p>
        {t("approvals.progress", { count: approved, needed })} · {t("approvals.approvers", { names: approvers.join(", ") })}
      </p>
      <ul>
        {decisions.map(({ by, decision, comment, at }) => (
          <li key={by}>
            {t(decision === "approve" ? "approvals.approvedBy" : "approvals.rejectedBy", { by })}
            {comment === undefined ? "" : `: ${comment}`} <RelativeTime at={at} />
          </li>
        ))}
      </ul>
    </div>
  );
};

const Decide = ({ approval }: { approval: Approval }) => {
  const { t } = useTranslation();
  const id = useId();
  const permission = usePermission("approval:decide");
  const decide = useDecide(approval);
  const [comment, setComment] = useState("");
  const [edited, setEdited] = useState<string>();
  const value = edited === undefined ? undefined : parseJson(edited);
  const isBroken = edited !== undefined && value === undefined;
  const reason = permission.reason ?? (approval.mayDecide ? undefined : t("approvals.notYours", { names: approval.approvers.join(", ") }));
  const send = (decision: "approve" | "reject"): void => {
    if (decide.isPending || (decision === "approve" && isBroken)) return;
    const said = comment.trim() === "" ? {} : { comment: comment.trim() };
    decide.mutate({ decision, ...said, ...(decision === "approve" && value !== undefined ? { arguments: value } : {}) });
  };
  return (
    <div className="flex flex-col gap-3">
      {edited === undefined ? null : (
        <Field id={`${id}-edit`} label={t("approvals.arguments")} error={isBroken ? t("common.json.broken") : undefined}>
          <TextArea
            id={`${id}-edit`}
            value={edited}
            aria-invalid={isBroken || undefined}
            aria-describedby={describedBy(`${id}-edit`, { error: isBroken })}
            onChange={(event) => setEdited(event.target.value)}
          />
        </Field>
      )}
      <div className="flex flex-wrap items-center gap-2">
        <Input
          aria-label={t("approvals.comment")}
          placeholder={t("approvals.comment")}
          value={comment}
          maxLength={2_000}
          onChange={(event) => setComment(event.target.value)}
          className="min-w-0 flex-1 basis-60"
        />
        <GatedButton variant="primary" reason={reason ?? (isBroken ? t("common.json.broken") : undefined)} onClick={() => send("approve")}>
          {t("approvals.approve")}
        </GatedButton>
        <GatedButton variant="danger" reason={reason} onClick={() => send("reject")}>
          {t("approvals.reject")}
        </GatedButton>
        {approval.arguments === null || edited !== undefined || reason !== undefined ? null : (
          <Button onClick={() => setEdited(JSON.stringify(approval.arguments, null, 2))}>{t("approvals.edit")}</Button>
        )}
      </div>
    </div>
  );
};
