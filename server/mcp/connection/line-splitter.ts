/**
 * Cuts a byte stream into lines. `onOverflow` is called once when a line grows beyond `maxBytes`; its bytes are then
 * dropped up to the next line break, so memory stays bounded whatever the other side writes.
 */
type Options = { maxBytes: number; onLine: (line: string) => void; onOverflow: () => void };

export function lineSplitter({ maxBytes, onLine, onOverflow }: Options): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  let skipping = false;

  const keep = (piece: Buffer): void => {
    if (skipping || piece.length === 0) return;
    size += piece.length;
    parts.push(piece);
    if (size <= maxBytes) return;
    parts = [];
    size = 0;
    skipping = true;
    onOverflow();
  };
  const finish = (): void => {
    const line = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    parts = [];
    size = 0;
    if (!skipping) onLine(withoutReturn(line?.toString("utf8") ?? ""));
    skipping = false;
  };

  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      finish();
      start = end + 1;
    }
    keep(chunk.subarray(start));
  };
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);
