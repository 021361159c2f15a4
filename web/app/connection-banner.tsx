import { CloudOff, RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useLiveStatus } from "../api/live/live-provider.tsx";
import { cn } from "../ui/cn.ts";

/** Across the page while what is shown may be late or old. */
export const ConnectionBanner = () => {
  const { t } = useTranslation();
  const status = useLiveStatus();
  if (status !== "reconnecting" && status !== "offline") return null;
  const offline = status === "offline";
  const Icon = offline ? CloudOff : RefreshCw;
  return (
    <p
      role="alert"
      className={cn(
        "flex items-center gap-2 px-4 py-2 text-xs font-medium sm:mr-2.5 sm:mb-2 sm:rounded-xl",
        offline ? "bg-bad-soft text-bad" : "bg-wait-soft text-wait",
      )}
    >
      <Icon aria-hidden="true" className="size-4 shrink-0" />
      {t(offline ? "shell.live.offlineBanner" : "shell.live.reconnectingBanner")}
    </p>
  );
};
