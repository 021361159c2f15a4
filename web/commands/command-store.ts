import type { CommandId } from "./commands.ts";

export type Handler = () => void;
export type Handlers = Partial<Record<CommandId, Handler | undefined>>;

/** What the commands do on the page as it is now. Of several registrations of one command the newest counts. */
export class CommandStore {
  readonly #layers = new Set<{ current: Handlers }>();
  readonly #listeners = new Set<() => void>();
  #available: readonly CommandId[] = [];

  /** `layer.current` is read at the time of use, so that it may be replaced on every render. */
  register(layer: { current: Handlers }): () => void {
    this.#layers.add(layer);
    this.#changed();
    return () => {
      this.#layers.delete(layer);
      this.#changed();
    };
  }

  handlerOf(id: CommandId): Handler | undefined {
    return [...this.#layers].findLast((layer) => layer.current[id] !== undefined)?.current[id];
  }

  /** The same array until the set of available commands changes. */
  available = (): readonly CommandId[] => this.#available;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** To be called when a layer's commands have come or gone without a new registration. */
  refresh(): void {
    this.#changed();
  }

  #changed(): void {
    const ids = new Set([...this.#layers].flatMap((layer) => entriesOf(layer.current)));
    if (ids.size === this.#available.length && this.#available.every((id) => ids.has(id))) return;
    this.#available = [...ids];
    for (const listener of this.#listeners) listener();
  }
}

function entriesOf(handlers: Handlers): CommandId[] {
  const ids: CommandId[] = [];
  let id: CommandId;
  for (id in handlers) if (handlers[id] !== undefined) ids.push(id);
  return ids;
}
