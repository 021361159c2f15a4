import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "./cn.ts";

export const buttonClass = cva(
  [
    "inline-flex items-center justify-center gap-1.5 rounded-lg font-medium whitespace-nowrap select-none",
    "transition-[background-color,border-color,color,transform] duration-150 active:translate-y-px",
    "aria-disabled:cursor-not-allowed aria-disabled:opacity-55 aria-disabled:active:translate-y-0 disabled:cursor-not-allowed disabled:opacity-55",
    "[&_svg]:size-4 [&_svg]:shrink-0",
  ],
  {
    variants: {
      variant: {
        primary: "bg-primary text-on-primary shadow-1 not-aria-disabled:hover:bg-primary-hover",
        secondary:
          "border border-line bg-raised text-ink shadow-1 not-aria-disabled:hover:border-line-strong not-aria-disabled:hover:bg-hover",
        ghost: "text-ink-2 not-aria-disabled:hover:bg-hover not-aria-disabled:hover:text-ink",
        danger: "border border-line bg-raised text-bad shadow-1 not-aria-disabled:hover:border-bad not-aria-disabled:hover:bg-bad-soft",
        link: "h-auto px-0 text-accent underline-offset-4 not-aria-disabled:hover:underline",
      },
      size: {
        sm: "h-7 px-2.5 text-xs",
        md: "h-8.5 px-3 text-[0.8125rem]",
        lg: "h-10 px-4 text-sm",
        icon: "size-8.5",
        iconSm: "size-7",
      },
    },
    compoundVariants: [{ variant: "link", className: "h-auto px-0" }],
    defaultVariants: { variant: "secondary", size: "md" },
  },
);

export type ButtonProps = ComponentProps<"button"> & VariantProps<typeof buttonClass>;

export const Button = ({ variant, size, className, type = "button", ...rest }: ButtonProps) => (
  <button type={type === "submit" ? "submit" : "button"} className={cn(buttonClass({ variant, size }), className)} {...rest} />
);
