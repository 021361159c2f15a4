import { useTranslation } from "react-i18next";
import { cn } from "./cn.ts";

export const Skeleton = ({ className }: { className?: string }) => (
  <span aria-hidden="true" className={cn("block animate-breathe rounded-md bg-idle-soft", className)} />
);

/** Where a list is going to be. Says so once to screen readers. */
export const SkeletonRows = ({ rows = 6, className = "h-13" }: { rows?: number; className?: string }) => {
  const { t } = useTranslation();
  return (
    <output className="flex flex-col gap-2">
      <span className="sr-only">{t("common.loading")}</span>
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} className={className} />
      ))}
    </output>
  );
};
