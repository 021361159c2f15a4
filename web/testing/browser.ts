import { vi } from "vitest";
import type { LiveEvent } from "#contract/system.ts";

/** What a real browser has and the test's does not: sizes, and a stream of events that tests feed by hand. */
export function prepareBrowser(): void {
  const size = (value: number, ofRow = value): PropertyDescriptor => ({
    configurable: true,
    get(this: HTMLElement) {
      return this.dataset["index"] === undefined ? value : ofRow;
    },
  });
  for (const name of ["offsetWidth", "clientWidth"]) Object.defineProperty(HTMLElement.prototype, name, size(1_200));
  for (const name of ["offsetHeight", "clientHeight"]) Object.defineProperty(HTMLElement.prototype, name, size(800, 40));
  Element.prototype.scrollTo = () => {};
  vi.stubGlobal("EventSource", FakeEventSource);
}

export class FakeEventSource extends EventTarget {
  static readonly open: FakeEventSource[] = [];
  readonly url: string;
  closed = false;

  constructor(url: string) {
    super();
    this.url = url;
    FakeEventSource.open.push(this);
  }

  static newest(): FakeEventSource {
    const source = FakeEventSource.open.at(-1);
    if (!source) throw new Error("No stream has been opened.");
    return source;
  }

  connect(): void {
    this.dispatchEvent(new Event("open"));
  }

  fail(): void {
    this.dispatchEvent(new Event("error"));
  }

  send(event: LiveEvent): void {
    this.sendRaw(JSON.stringify(event));
  }

  sendRaw(data: string): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  close(): void {
    this.closed = true;
  }
}
