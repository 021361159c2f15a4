import type { ComponentProps, ReactNode } from "react";
import { cn } from "./cn.ts";

const CONTROL =
  "w-full rounded-lg border border-line bg-raised px-3 text-[0.8125rem] text-ink shadow-1 placeholder:text-ink-3 hover:border-line-strong focus-visible:border-accent focus-visible:outline-1 focus-visible:outline-offset-0 focus-visible:rounded-lg aria-invalid:border-bad";

export const Input = ({ className, ...rest }: ComponentProps<"input">) => <input className={cn(CONTROL, "h-8.5", className)} {...rest} />;

export const TextArea = ({ className, ...rest }: ComponentProps<"textarea">) => (
  <textarea className={cn(CONTROL, "min-h-28 py-2 font-mono text-xs leading-5", className)} spellCheck={false} {...rest} />
);

type FieldProps = { id: string; label: ReactNode; hint?: ReactNode; error?: string | undefined; note?: ReactNode; children: ReactNode };

/** A label above its control. Give the control `id`, and `aria-describedby={describedBy(id, …)}` where there is a hint or an error. */
export const Field = ({ id, label, hint, error, note, children }: FieldProps) => (
  <div className="flex flex-col gap-1.5">
    <div className="flex items-baseline justify-between gap-3">
      <label htmlFor={id} className="text-[0.8125rem] font-medium">
        {label}
      </label>
      {note ? <span className="text-xs text-ink-3">{note}</span> : null}
    </div>
    {children}
    {hint ? (
      <p id={`${id}-hint`} className="text-xs text-ink-3">
        {hint}
      </p>
    ) : null}
    {error ? (
      <p id={`${id}-error`} role="alert" className="text-xs text-bad">
        {error}
      </p>
    ) : null}
  </div>
);

export const describedBy = (id: string, { hint, error }: { hint?: unknown; error?: unknown }): string | undefined =>
  [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ") || undefined;
