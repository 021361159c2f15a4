import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button.tsx";
import { cn } from "./cn.ts";

const BACKDROP =
  "fixed inset-0 z-40 bg-[oklch(0.15_0.02_268/38%)] transition-opacity duration-150 data-ending-style:opacity-0 data-starting-style:opacity-0";

type Props = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Keep the title for screen readers only. */
  bare?: boolean;
};

/** In the middle of the page; on a phone it fills the lower part. Focus stays inside and returns to where it came from. */
export const Dialog = ({ open, onOpenChange, title, description, children, className, bare = false }: Props) => (
  <Base.Root open={open} onOpenChange={onOpenChange}>
    <Base.Portal>
      <Base.Backdrop className={BACKDROP} />
      <Base.Popup
        className={cn(
          "fixed z-50 flex flex-col bg-raised text-ink shadow-3 outline-none transition-[transform,opacity] duration-150",
          "inset-x-0 bottom-0 max-h-[88dvh] rounded-t-2xl border-t border-line",
          "sm:inset-x-auto sm:top-[12vh] sm:bottom-auto sm:left-1/2 sm:max-h-[76vh] sm:w-[32rem] sm:max-w-[calc(100vw-3rem)] sm:-translate-x-1/2 sm:rounded-2xl sm:border",
          "data-ending-style:translate-y-2 data-ending-style:opacity-0 data-starting-style:translate-y-2 data-starting-style:opacity-0",
          className,
        )}
      >
        <div className={bare ? "sr-only" : "py-3 pt-4.5 pr-14 pl-5"}>
          <div className="min-w-0 flex-1">
            <Base.Title className="text-base font-semibold text-balance">{title}</Base.Title>
            {description ? <Base.Description className="mt-0.5 text-[0.8125rem] text-ink-3">{description}</Base.Description> : null}
          </div>
        </div>
        {children}
        {/* Last, so that the first focus is on what the dialog is about. */}
        {bare ? null : <CloseButton className="absolute top-4 right-4" />}
      </Base.Popup>
    </Base.Portal>
  </Base.Root>
);

/** From the right edge; on a phone it covers the page. */
export const Drawer = ({ open, onOpenChange, title, description, children, className }: Props) => (
  <Base.Root open={open} onOpenChange={onOpenChange}>
    <Base.Portal>
      <Base.Backdrop className={BACKDROP} />
      <Base.Popup
        className={cn(
          "fixed inset-y-0 right-0 z-50 flex w-full flex-col bg-sheet text-ink shadow-3 outline-none sm:w-[38rem] sm:max-w-[92vw] sm:border-l sm:border-line",
          "transition-transform duration-200 ease-out data-ending-style:translate-x-full data-starting-style:translate-x-full",
          className,
        )}
      >
        <div className="flex items-start gap-3 px-5 pt-4.5 pb-3">
          <div className="min-w-0 flex-1">
            <Base.Title className="text-lg font-semibold">{title}</Base.Title>
            {description ? <Base.Description className="mt-0.5 text-[0.8125rem] text-ink-3">{description}</Base.Description> : null}
          </div>
          <CloseButton />
        </div>
        {children}
      </Base.Popup>
    </Base.Portal>
  </Base.Root>
);

const CloseButton = ({ className }: { className?: string }) => {
  const { t } = useTranslation();
  return (
    <Base.Close render={<Button variant="ghost" size="iconSm" aria-label={t("common.close")} className={cn("-mt-1 -mr-1.5", className)} />}>
      <X />
    </Base.Close>
  );
};
