import { Tooltip as Base } from "@base-ui/react/tooltip";
import type { ReactElement, ReactNode } from "react";
import { Kbd } from "./kbd.tsx";

type Props = {
  label: ReactNode;
  keys?: string | undefined;
  children: ReactElement<Record<string, unknown>>;
  side?: "top" | "right" | "bottom" | "left";
};

/** Says what a control does when it is hovered or focused. It never holds the control's only name: give that an `aria-label`. */
export const Tooltip = ({ label, keys, children, side = "top" }: Props) => (
  <Base.Root>
    <Base.Trigger render={children} />
    <Base.Portal>
      <Base.Positioner side={side} sideOffset={6} className="z-60">
        <Base.Popup className="flex max-w-72 items-center gap-2 rounded-md bg-ink px-2 py-1 text-xs text-paper shadow-2 transition-opacity duration-100 data-ending-style:opacity-0 data-starting-style:opacity-0">
          {label}
          {keys ? <Kbd keys={keys} onDark /> : null}
        </Base.Popup>
      </Base.Positioner>
    </Base.Portal>
  </Base.Root>
);

export const TooltipProvider = Base.Provider;
