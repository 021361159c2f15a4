import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { isFinal, type Run } from "#contract/runs.ts";
import { runApprovalsQuery } from "../../api/approvals.ts";
import { usePermission } from "../../api/session.ts";
import { ApprovalCard } from "./approval-card.tsx";

/** What the run waits for people to decide, above everything else of it. */
export const RunApprovals = ({ run }: { run: Run }) => {
  const { t } = useTranslation();
  const { allowed } = usePermission("approval:read");
  const approvals = useQuery({ ...runApprovalsQuery(run.id), enabled: allowed && !isFinal(run.status) });
  const asked = isFinal(run.status) ? [] : (approvals.data ?? []);
  if (asked.length === 0) return null;
  return (
    <section aria-labelledby="approvals" className="mx-4 mb-3 sm:mx-6">
      <h2 id="approvals" className="text-[0.8125rem] font-semibold text-wait">
        {t("approvals.ofRun", { count: asked.length })}
      </h2>
      <ul className="mt-1.5 flex max-h-[28rem] flex-col gap-3 overflow-y-auto">
        {asked.map((approval) => (
          <ApprovalCard key={approval.id} approval={approval} showsRun={false} />
        ))}
      </ul>
    </section>
  );
};
