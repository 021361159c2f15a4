import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button.tsx";

type Props = { hasMore: boolean; isLoading: boolean; onMore: () => void };

/** At the end of a list: asks for the next page when it comes into view, and by a button where nothing scrolls. */
export const Pager = ({ hasMore, isLoading, onMore }: Props) => {
  const { t } = useTranslation();
  const mark = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = mark.current;
    if (!element || !hasMore || isLoading) return undefined;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && onMore(), { rootMargin: "400px" });
    observer.observe(element);
    return () => observer.disconnect();
  }, [hasMore, isLoading, onMore]);
  if (!hasMore) return null;
  return (
    <div ref={mark} className="flex justify-center py-4">
      <Button variant="ghost" size="sm" onClick={onMore} aria-disabled={isLoading || undefined}>
        {t(isLoading ? "common.loading" : "common.loadMore")}
      </Button>
    </div>
  );
};
