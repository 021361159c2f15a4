import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Json } from "#contract/common.ts";
import { Button } from "./button.tsx";
import { cn } from "./cn.ts";
import { CopyButton } from "./copy-button.tsx";
import { Segmented } from "./segmented.tsx";
import { useSize } from "./use-size.ts";

/** Entries shown at once; the rest comes on demand, so that a list of ten thousand opens at once. */
const SLICE = 50;
const LONG_TEXT = 600;
/** `max-h-80`. */
const CLIPPED_PX = 320;

type Props = { value: Json; label: string; className?: string };

/** A value to look into: texts as they are, the rest as a tree or as JSON, each with a way to copy it. */
export const ValueView = ({ value, label, className }: Props) => {
  const { t } = useTranslation();
  const [view, setView] = useState<"tree" | "text">("tree");
  const isText = typeof value === "string";
  const isFlat = value === null || typeof value !== "object" || Object.keys(value).length === 0;
  const asText = isText ? value : JSON.stringify(value, null, 2);
  return (
    <section aria-label={label} className={cn("overflow-hidden rounded-xl border border-line bg-raised", className)}>
      <header className="flex h-9.5 items-center gap-2 border-b border-line bg-sunken pr-1 pl-3">
        <p className="eyebrow flex-1 truncate">{label}</p>
        {isFlat ? null : (
          <Segmented
            label={t("common.json.view")}
            value={view}
            onChange={setView}
            options={[
              { value: "tree", label: t("common.json.tree") },
              { value: "text", label: t("common.json.text") },
            ]}
            className="h-7 [&_button]:h-5.5 [&_button]:px-1.5 [&_button]:text-2xs"
          />
        )}
        <CopyButton value={asText} what={label} />
      </header>
      <Clipped>
        {isText ? (
          <LongText text={value} />
        ) : view === "text" ? (
          <pre className="font-mono text-xs leading-5 break-words whitespace-pre-wrap">{asText}</pre>
        ) : (
          <JsonTree value={value} />
        )}
      </Clipped>
    </section>
  );
};

/** Tall content is cut until one asks for all of it; nothing scrolls inside of what scrolls already. */
const Clipped = ({ children }: { children: ReactNode }) => {
  const { t } = useTranslation();
  const [content, setContent] = useState<HTMLElement | null>(null);
  const [whole, setWhole] = useState(false);
  const { height } = useSize(content);
  const isTall = height > CLIPPED_PX;
  return (
    <div className="relative">
      <div className={cn("overflow-hidden", !whole && "max-h-80")}>
        <div ref={setContent} className="p-3">
          {children}
        </div>
      </div>
      {isTall ? (
        <div
          className={cn(
            "flex justify-center pb-2",
            !whole && "absolute inset-x-0 bottom-0 bg-linear-to-t from-raised from-50% to-transparent pt-12",
          )}
        >
          <Button variant="secondary" size="sm" aria-expanded={whole} onClick={() => setWhole(!whole)}>
            {t(whole ? "common.showLess" : "common.showAll")}
          </Button>
        </div>
      ) : null}
    </div>
  );
};

const LongText = ({ text }: { text: string }) => {
  const { t } = useTranslation();
  if (text === "") return <span className="text-xs text-ink-3">{t("common.json.empty")}</span>;
  return <p className="text-[0.8125rem] leading-5.5 break-words whitespace-pre-wrap">{text}</p>;
};

export const JsonTree = ({ value }: { value: Json }) => (
  <div className="font-mono text-xs leading-5">
    <Value value={value} depth={0} />
  </div>
);

const Value = ({ value, depth }: { value: Json; depth: number }) => {
  if (Array.isArray(value)) return <Branch entries={value.map((item, index) => [String(index), item])} isArray depth={depth} />;
  if (value !== null && typeof value === "object") return <Branch entries={Object.entries(value)} isArray={false} depth={depth} />;
  return <Leaf value={value} />;
};

const Leaf = ({ value }: { value: string | number | boolean | null }) => {
  const { t } = useTranslation();
  const [whole, setWhole] = useState(false);
  if (typeof value === "number") return <span className="text-kind-data">{value}</span>;
  if (typeof value === "boolean" || value === null) return <span className="text-kind-model">{String(value)}</span>;
  const isLong = value.length > LONG_TEXT;
  return (
    <span className="break-words whitespace-pre-wrap text-ink">
      {isLong && !whole ? `${value.slice(0, LONG_TEXT)}…` : value === "" ? '""' : value}
      {isLong ? (
        <button type="button" className="ml-1 font-sans text-accent hover:underline" onClick={() => setWhole(!whole)}>
          {t(whole ? "common.showLess" : "common.showAll")}
        </button>
      ) : null}
    </span>
  );
};

const Branch = ({ entries, isArray, depth }: { entries: readonly (readonly [string, Json])[]; isArray: boolean; depth: number }) => {
  const { t } = useTranslation();
  const [shown, setShown] = useState(SLICE);
  if (entries.length === 0) return <span className="text-ink-3">{isArray ? "[]" : "{}"}</span>;
  return (
    <ul className={cn("flex flex-col", depth > 0 && "border-l border-line pl-3")}>
      {entries.slice(0, shown).map(([name, item]) => (
        <Entry key={name} name={name} value={item} depth={depth} />
      ))}
      {entries.length > shown ? (
        <li>
          <button type="button" className="font-sans text-accent hover:underline" onClick={() => setShown(shown + 4 * SLICE)}>
            {t("common.showMore", { count: Math.min(4 * SLICE, entries.length - shown) })}
          </button>
        </li>
      ) : null}
    </ul>
  );
};

/** Only the first two levels are open at first. */
const OPEN_LEVELS = 2;

const Entry = ({ name, value, depth }: { name: string; value: Json; depth: number }) => {
  const { t } = useTranslation();
  const size = value !== null && typeof value === "object" ? Object.keys(value).length : 0;
  const [open, setOpen] = useState(depth < OPEN_LEVELS && size <= 20);
  if (size === 0) {
    return (
      <li className="flex gap-2">
        <span className="shrink-0 text-ink-3">{name}</span>
        <span className="min-w-0">
          <Value value={value} depth={depth + 1} />
        </span>
      </li>
    );
  }
  return (
    <li>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="-ml-1 flex min-h-6 items-center gap-1 rounded text-left text-ink-3 hover:text-ink"
      >
        <ChevronRight aria-hidden="true" className={cn("size-3 transition-transform", open && "rotate-90")} />
        <span>{name}</span>
        <span className="font-sans text-2xs">{t(Array.isArray(value) ? "common.json.items" : "common.json.fields", { count: size })}</span>
      </button>
      {open ? (
        <div className="ml-1.5">
          <Value value={value} depth={depth + 1} />
        </div>
      ) : null}
    </li>
  );
};
