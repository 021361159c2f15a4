import { createContext, useContext, useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";
import { COMMAND_IDS, specOf, type CommandId } from "./commands.ts";
import { CommandStore, type Handlers } from "./command-store.ts";
import { SEQUENCE_MS, chordOf, isTyping, matchPress } from "./shortcuts.ts";

export const CommandContext = createContext(new CommandStore());

/** Makes commands available while the component is mounted. A handler that is undefined is not available. */
export function useCommands(handlers: Handlers): void {
  const store = useContext(CommandContext);
  const layer = useRef(handlers);
  useLayoutEffect(() => {
    layer.current = handlers;
    store.refresh();
  });
  useEffect(() => store.register(layer), [store]);
}

/** The commands that can be used now. */
export function useAvailableCommands(): readonly CommandId[] {
  const store = useContext(CommandContext);
  return useSyncExternalStore(store.subscribe, store.available);
}

export function useRunCommand(): (id: CommandId) => void {
  const store = useContext(CommandContext);
  return (id) => store.handlerOf(id)?.();
}

/** Keys that controls have a meaning of their own for; they count as shortcuts only when nothing has the focus. */
const OWNED_BY_CONTROLS: ReadonlySet<string> = new Set(["enter", "arrowleft", "arrowright", "arrowup", "arrowdown"]);

/** Listens for the shortcuts of the whole page; to be used once. */
export function useShortcuts(): void {
  const store = useContext(CommandContext);
  useEffect(() => {
    let pending = "";
    let since = 0;
    const onKeyDown = (event: KeyboardEvent): void => {
      const chord = chordOf(event);
      const isPlain = !chord.includes("mod+");
      if (event.defaultPrevented || (isPlain && (isTyping(event.target) || isDialogOpen()))) return;
      if (event.timeStamp - since > SEQUENCE_MS) pending = "";
      const match = matchPress(chord, pending, bindings(store));
      pending = match.pending;
      since = event.timeStamp;
      if (match.hit === undefined) return;
      event.preventDefault();
      store.handlerOf(match.hit)?.();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [store]);
}

const isDialogOpen = (): boolean => document.querySelector('[role="dialog"], [role="alertdialog"]') !== null;

const bindings = (store: CommandStore): { keys: string; target: CommandId }[] =>
  COMMAND_IDS.filter((id) => store.handlerOf(id) !== undefined).flatMap((target) =>
    (specOf(target).keys ?? []).filter((keys) => !OWNED_BY_CONTROLS.has(keys)).map((keys) => ({ keys, target })),
  );
