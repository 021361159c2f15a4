/** Rings are kept until somebody waits; the signal's abort is a ring too. */
export function createBell(signal: AbortSignal): { ring: () => void; rung: (ms: number) => Promise<void> } {
  let isRung = false;
  let wake = (): void => {};
  const ring = (): void => {
    isRung = true;
    wake();
  };
  return {
    ring,
    rung: async (ms) => {
      if (!isRung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          signal.addEventListener("abort", wake, { once: true });
        });
        signal.removeEventListener("abort", wake);
      }
      isRung = false;
    },
  };
}
