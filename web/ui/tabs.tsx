import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";

type Tab<T extends string> = { value: T; label: string; icon?: ReactNode; badge?: ReactNode };
type Props<T extends string> = {
  value: T;
  onChange: (value: T) => void;
  tabs: readonly Tab<T>[];
  label: string;
  children: ReactNode;
  className?: string;
  listClassName?: string;
};

/** `children` are `TabPanel`s. The bar scrolls sideways where there is no room. */
export function Tabs<T extends string>({ value, onChange, tabs, label, children, className, listClassName }: Props<T>) {
  const choose = (next: unknown): void => {
    const tab = tabs.find((candidate) => candidate.value === next);
    if (tab) onChange(tab.value);
  };
  return (
    <Base.Root value={value} onValueChange={choose} className={cn("flex min-h-0 flex-col", className)}>
      <Base.List
        aria-label={label}
        className={cn("relative flex shrink-0 gap-1 overflow-x-auto border-b border-line [scrollbar-width:none]", listClassName)}
      >
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className={cn(
              "relative flex h-10 items-center gap-2 rounded-t-md px-2.5 text-[0.8125rem] font-medium whitespace-nowrap text-ink-3 outline-offset-[-2px] select-none",
              "hover:text-ink data-active:text-ink [&_svg]:size-4",
            )}
          >
            {tab.icon}
            {tab.label}
            {tab.badge}
          </Base.Tab>
        ))}
        <Base.Indicator className="absolute bottom-0 left-0 h-0.5 w-(--active-tab-width) translate-x-(--active-tab-left) rounded-full bg-accent transition-[translate,width] duration-200" />
      </Base.List>
      {children}
    </Base.Root>
  );
}

export const TabPanel = ({ value, children, className }: { value: string; children: ReactNode; className?: string }) => (
  <Base.Panel value={value} className={cn("min-h-0 flex-1 outline-offset-[-2px]", className)}>
    {children}
  </Base.Panel>
);
