import { Search, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Button } from "./button.tsx";
import { cn } from "./cn.ts";
import { Input } from "./field.tsx";

type Props = { label: string; value: string; onChange: (value: string) => void; className?: string };

export const SearchField = ({ label, value, onChange, className }: Props) => {
  const { t } = useTranslation();
  return (
    <search className={cn("relative block w-full sm:w-64", className)}>
      <Search aria-hidden="true" className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-ink-3" />
      <Input aria-label={label} placeholder={label} value={value} onChange={(event) => onChange(event.target.value)} className="px-8.5" />
      {value === "" ? null : (
        <Button
          variant="ghost"
          size="iconSm"
          aria-label={t("workflows.empty.clear")}
          onClick={() => onChange("")}
          className="absolute top-0.75 right-0.75"
        >
          <X />
        </Button>
      )}
    </search>
  );
};
