import { cn } from "./cn.ts";

const isMac = (): boolean => /Mac|iPhone|iPad/.test(navigator.userAgent);

const NAMES: Readonly<Record<string, string>> = {
  shift: "⇧",
  alt: "Alt",
  enter: "↵",
  escape: "Esc",
  plus: "+",
  minus: "−",
  arrowleft: "←",
  arrowright: "→",
  arrowup: "↑",
  arrowdown: "↓",
};

/** How one key is printed: `mod` is the command key on a Mac and Ctrl elsewhere. */
export function keyName(key: string): string {
  if (key === "mod") return isMac() ? "⌘" : "Ctrl";
  return NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}

/** A shortcut such as `mod+k`, or a sequence such as `g r`. */
export const Kbd = ({ keys, onDark = false }: { keys: string; onDark?: boolean }) => (
  <span className="inline-flex items-center gap-1" aria-hidden="true">
    {keys.split(" ").map((chord) => (
      <span key={chord} className="inline-flex items-center gap-0.5">
        {chord.split("+").map((key) => (
          <kbd
            key={key}
            className={cn(
              "inline-flex h-4.5 min-w-4.5 items-center justify-center rounded border px-1 font-sans text-2xs font-medium",
              onDark ? "border-current/35" : "border-line bg-sunken text-ink-3",
            )}
          >
            {keyName(key)}
          </kbd>
        ))}
      </span>
    ))}
  </span>
);
