import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "./cn.ts";

const badge = cva(
  "inline-flex h-5.5 items-center gap-1 rounded-full px-2 text-xs font-medium whitespace-nowrap [&_svg]:size-3.5 [&_svg]:shrink-0",
  {
    variants: {
      tone: {
        ok: "bg-ok-soft text-ok",
        bad: "bg-bad-soft text-bad",
        busy: "bg-busy-soft text-busy",
        wait: "bg-wait-soft text-wait",
        idle: "bg-idle-soft text-idle",
        plain: "border border-line text-ink-2",
      },
    },
    defaultVariants: { tone: "plain" },
  },
);

export type Tone = NonNullable<VariantProps<typeof badge>["tone"]>;

export const Badge = ({ tone, className, ...rest }: ComponentProps<"span"> & { tone?: Tone }) => (
  <span className={cn(badge({ tone }), className)} {...rest} />
);
