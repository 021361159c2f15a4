import { useTranslation } from "react-i18next";
import { formatDuration, formatMoment, formatRelative } from "./format.ts";
import { useNow } from "./use-now.ts";

/** `3 minutes ago`, with the exact moment as its title. */
export const RelativeTime = ({ at, className }: { at: string; className?: string }) => {
  const { i18n } = useTranslation();
  const now = useNow();
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={formatMoment(moment, i18n.language)} className={className}>
      {formatRelative(moment, now, i18n.language)}
    </time>
  );
};

/** From `from` to `to`, ticking while there is no `to`. */
export const Duration = ({ from, to, className }: { from: string; to: string | null; className?: string }) => {
  const now = useNow(to === null);
  const end = to === null ? Math.max(now, Date.parse(from)) : Date.parse(to);
  const shown = to === null ? Math.floor((end - Date.parse(from)) / 1_000) * 1_000 : end - Date.parse(from);
  return <span className={className ? `tabular ${className}` : "tabular"}>{formatDuration(shown)}</span>;
};
