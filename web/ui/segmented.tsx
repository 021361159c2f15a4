import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";

type Props<T extends string> = {
  label: string;
  value: T;
  onChange: (value: T) => void;
  options: readonly { value: T; label: string; icon?: ReactNode }[];
  className?: string;
};

/** One choice out of a few, all visible. */
export function Segmented<T extends string>({ label, value, onChange, options, className }: Props<T>) {
  const choose = (pressed: readonly string[]): void => {
    const option = options.find((candidate) => pressed.includes(candidate.value));
    if (option) onChange(option.value);
  };
  return (
    <ToggleGroup
      aria-label={label}
      value={[value]}
      onValueChange={choose}
      className={cn("inline-flex rounded-lg border border-line bg-sunken p-0.5", className)}
    >
      {options.map((option) => (
        <Toggle
          key={option.value}
          value={option.value}
          className="flex h-7 items-center gap-1.5 rounded-md px-2.5 text-xs font-medium whitespace-nowrap text-ink-3 select-none hover:text-ink data-pressed:bg-raised data-pressed:text-ink data-pressed:shadow-1 [&_svg]:size-3.5"
        >
          {option.icon}
          {option.label}
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
