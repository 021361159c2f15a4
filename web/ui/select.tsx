import { Select as Base } from "@base-ui/react/select";
import { Check, ChevronsUpDown } from "lucide-react";
import type { ReactNode } from "react";
import { buttonClass } from "./button.tsx";
import { cn } from "./cn.ts";
import { ITEM, POPUP } from "./menu.tsx";

type Option = { value: string; label: string; icon?: ReactNode };
type Props = {
  id?: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: readonly Option[];
  className?: string;
};

export const Select = ({ id, label, value, onChange, options, className }: Props) => (
  <Base.Root
    items={options.map((option) => ({ value: option.value, label: option.label }))}
    value={value}
    onValueChange={(next) => onChange(next ?? "")}
  >
    <Base.Trigger
      id={id}
      aria-label={label}
      className={cn(buttonClass({ variant: "secondary" }), "max-w-full min-w-0 justify-between font-normal", className)}
    >
      <Base.Value className="truncate" />
      <Base.Icon className="text-ink-3">
        <ChevronsUpDown className="size-3.5!" />
      </Base.Icon>
    </Base.Trigger>
    <Base.Portal>
      <Base.Positioner alignItemWithTrigger={false} sideOffset={6} className="z-50 outline-none">
        <Base.Popup className={cn(POPUP, "max-w-80")}>
          {options.map((option) => (
            <Base.Item key={option.value} value={option.value} className={ITEM}>
              {option.icon}
              <Base.ItemText className="flex-1 truncate">{option.label}</Base.ItemText>
              <Base.ItemIndicator>
                <Check className="text-accent" />
              </Base.ItemIndicator>
            </Base.Item>
          ))}
        </Base.Popup>
      </Base.Positioner>
    </Base.Portal>
  </Base.Root>
);
