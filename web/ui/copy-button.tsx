import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button.tsx";

type Props = { value: string | (() => string); what: string; className?: string; withText?: boolean };

/** Copies `value` and says so for a moment. A function is asked only when the button is pressed. */
export const CopyButton = ({ value, what, className, withText = false }: Props) => {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(typeof value === "function" ? value() : value);
    setCopied(true);
  };
  const label = t("common.copyValue", { what });
  return (
    <Button
      variant={withText ? "secondary" : "ghost"}
      size={withText ? "sm" : "iconSm"}
      aria-label={withText ? undefined : label}
      title={withText ? undefined : label}
      onClick={() => void copy()}
      className={className}
    >
      {copied ? <Check className="text-ok" /> : <Copy className="size-3.5!" />}
      {withText ? (copied ? t("common.copied") : label) : null}
      <output className="sr-only">{copied ? t("common.copied") : ""}</output>
    </Button>
  );
};

/** A shell command with a button that copies it. */
export const CommandLine = ({ command }: { command: string }) => (
  <div className="flex max-w-full items-center gap-2 rounded-lg border border-line bg-sunken py-1 pr-1 pl-3">
    <code className="min-w-0 flex-1 text-left font-mono text-xs break-words text-ink-2">
      <span aria-hidden="true" className="mr-2 text-ink-3 select-none">
        $
      </span>
      {command}
    </code>
    <CopyButton value={command} what={command} />
  </div>
);
