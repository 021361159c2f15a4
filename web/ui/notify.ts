import type { TFunction } from "i18next";
import { toast } from "sonner";
import { explain } from "../api/explain.ts";

/** Tells of an action that failed: what happened, what to do, and the id to report. */
export function notifyError(error: unknown, t: TFunction): void {
  const { title, remedy, requestId } = explain(error, t);
  const report = {
    label: t("common.copyValue", { what: t("common.requestId") }),
    onClick: () => void navigator.clipboard.writeText(requestId ?? ""),
  };
  toast.error(title, { description: remedy, duration: 10_000, ...(requestId ? { action: report } : {}) });
}

export const notifyDone = (message: string): void => {
  toast.success(message);
};
