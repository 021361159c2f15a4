import { useTranslation } from "react-i18next";
import { formatDuration } from "../../ui/format.ts";
import { offsetAt, type TimelineSpan } from "./timeline-span.ts";

export const MARKS = [0, 0.25, 0.5, 0.75, 1] as const;
/** The two panes of the waterfall, the same in its head and its rows. */
export const PANES = "grid grid-cols-[minmax(9.5rem,42%)_minmax(0,1fr)] lg:grid-cols-[minmax(13rem,38%)_minmax(0,1fr)]";

export const TimelineAxis = ({ span }: { span: TimelineSpan }) => {
  const { t } = useTranslation();
  return (
    <div aria-hidden="true" className={`${PANES} h-8 shrink-0 items-center border-b border-line pr-5`}>
      <span className="eyebrow pl-4 sm:pl-6">{t("run.timeline.stepColumn")}</span>
      <div className="relative h-full">
        {MARKS.map((mark) => (
          <span
            key={mark}
            style={{ left: `${100 * mark}%` }}
            className={`tabular absolute top-2 text-2xs whitespace-nowrap text-ink-3 ${mark === 1 ? "-translate-x-full" : mark === 0 ? "" : "-translate-x-1/2"} ${mark === 0.25 || mark === 0.75 ? "hidden sm:inline" : ""}`}
          >
            {formatDuration(offsetAt(span, mark))}
          </span>
        ))}
      </div>
    </div>
  );
};
