/** What of a keyboard event a shortcut depends on. */
export type Press = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

const NAMES: Readonly<Record<string, string>> = { "+": "plus", "-": "minus", " ": "space", Esc: "escape" };

/** A press in the notation of the command table. Shift is not named with symbols: `?` and `+` already tell of it. */
export function chordOf({ key, ctrlKey, metaKey, altKey, shiftKey }: Press): string {
  const name = NAMES[key] ?? key.toLowerCase();
  const isSymbol = /^[^a-z]$|^(plus|minus)$/.test(name);
  return [ctrlKey || metaKey ? "mod" : "", altKey ? "alt" : "", shiftKey && !isSymbol ? "shift" : "", name].filter(Boolean).join("+");
}

/** Sequences such as `g r` must be finished within this time. */
export const SEQUENCE_MS = 1_200;

export type Matched<T> = { hit: T | undefined; pending: string };

/**
 * Which of `bindings` a press completes, given what was pressed before. `pending` is what to remember for the next press:
 * a beginning of some sequence, or nothing.
 */
export function matchPress<T>(chord: string, pending: string, bindings: readonly { keys: string; target: T }[]): Matched<T> {
  const typed = pending === "" ? chord : `${pending} ${chord}`;
  const hit = bindings.find(({ keys }) => keys === typed) ?? bindings.find(({ keys }) => keys === chord);
  if (hit) return { hit: hit.target, pending: "" };
  const begun = [typed, chord].find((start) => bindings.some(({ keys }) => keys.startsWith(`${start} `)));
  return { hit: undefined, pending: begun ?? "" };
}

/** Whether keys belong to what has the focus: a field, an editor or an open dialog or menu. Chords with `mod` still count. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return target.closest('input, textarea, select, [contenteditable="true"], [role="menu"], [role="listbox"]') !== null;
}
