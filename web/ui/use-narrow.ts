import { useSyncExternalStore } from "react";

/** Tailwind's `lg`: below it there is no room for a panel beside the content. */
const QUERIES = { phone: "(max-width: 639px)", noPanel: "(max-width: 1023px)" } as const;

/** Whether the window is as narrow as that; follows its size. */
export function useNarrow(than: keyof typeof QUERIES): boolean {
  const query = QUERIES[than];
  return useSyncExternalStore(
    (changed) => {
      const media = window.matchMedia(query);
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => window.matchMedia(query).matches,
  );
}
