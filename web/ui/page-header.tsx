import { useEffect, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cn } from "./cn.ts";

type HeaderProps = {
  title: ReactNode;
  beside?: ReactNode;
  subtitle?: ReactNode;
  actions?: ReactNode;
  above?: ReactNode;
  className?: string;
};

/** The one `h1` of a page, with what can be done on it at the right. */
export const PageHeader = ({ title, beside, subtitle, actions, above, className }: HeaderProps) => (
  <header className={cn("flex flex-wrap items-start justify-between gap-x-6 gap-y-3", className)}>
    <div className="min-w-0">
      {above}
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h1 className="text-xl leading-7 font-semibold tracking-[-0.012em] text-balance sm:text-2xl sm:leading-8">{title}</h1>
        {beside}
      </div>
      {subtitle ? <div className="mt-0.5 text-[0.8125rem] text-ink-3">{subtitle}</div> : null}
    </div>
    {actions ? <div className={cn("flex flex-wrap items-center gap-2", above ? "sm:pt-5" : "sm:pt-1")}>{actions}</div> : null}
  </header>
);

/** Names the browser tab and the history entry. */
export function usePageTitle(title: string | undefined): void {
  const { t } = useTranslation();
  const product = t("shell.product");
  useEffect(() => {
    document.title = title ? `${title} · ${product}` : product;
  }, [title, product]);
}
