import { Menu as Base } from "@base-ui/react/menu";
import { Check } from "lucide-react";
import type { ReactElement, ReactNode } from "react";
import { cn } from "./cn.ts";

export const POPUP =
  "z-50 max-h-(--available-height) min-w-44 overflow-y-auto rounded-xl border border-line bg-raised p-1 text-ink shadow-2 outline-none transition-[opacity,scale] duration-100 origin-(--transform-origin) data-ending-style:scale-98 data-ending-style:opacity-0 data-starting-style:scale-98 data-starting-style:opacity-0";
export const ITEM =
  "flex min-h-8 cursor-default items-center gap-2 rounded-lg px-2 text-[0.8125rem] outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover [&_svg]:size-4 [&_svg]:shrink-0";

type Props = { trigger: ReactElement<Record<string, unknown>>; children: ReactNode; align?: "start" | "center" | "end" };

export const Menu = ({ trigger, children, align = "start" }: Props) => (
  <Base.Root>
    <Base.Trigger render={trigger} />
    <Base.Portal>
      <Base.Positioner align={align} sideOffset={6} className="z-50 outline-none">
        <Base.Popup className={POPUP}>{children}</Base.Popup>
      </Base.Positioner>
    </Base.Portal>
  </Base.Root>
);

type ItemProps = { onSelect: () => void; children: ReactNode; danger?: boolean; disabled?: boolean };
export const MenuItem = ({ onSelect, children, danger = false, disabled = false }: ItemProps) => (
  <Base.Item className={cn(ITEM, danger && "text-bad")} onClick={onSelect} disabled={disabled}>
    {children}
  </Base.Item>
);

type CheckProps = { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode };
export const MenuCheckItem = ({ checked, onChange, children }: CheckProps) => (
  <Base.CheckboxItem checked={checked} onCheckedChange={onChange} closeOnClick={false} className={ITEM}>
    <span className="flex size-4 items-center justify-center rounded border border-line-strong">
      <Base.CheckboxItemIndicator>
        <Check className="size-3!" />
      </Base.CheckboxItemIndicator>
    </span>
    {children}
  </Base.CheckboxItem>
);

type RadioProps<T extends string> = {
  value: T;
  onChange: (value: T) => void;
  options: readonly { value: T; label: string; icon?: ReactNode }[];
  label: string;
};
export function MenuRadioGroup<T extends string>({ value, onChange, options, label }: RadioProps<T>) {
  const choose = (next: unknown): void => {
    const option = options.find((candidate) => candidate.value === next);
    if (option) onChange(option.value);
  };
  return (
    <Base.RadioGroup value={value} onValueChange={choose} aria-label={label}>
      {options.map((option) => (
        <Base.RadioItem key={option.value} value={option.value} closeOnClick className={ITEM}>
          {option.icon}
          <span className="flex-1">{option.label}</span>
          <Base.RadioItemIndicator>
            <Check className="text-accent" />
          </Base.RadioItemIndicator>
        </Base.RadioItem>
      ))}
    </Base.RadioGroup>
  );
}

export const MenuLabel = ({ children }: { children: ReactNode }) => <div className="eyebrow px-2 pt-1.5 pb-1">{children}</div>;
export const MenuSeparator = () => <Base.Separator className="-mx-1 my-1 h-px bg-line" />;
