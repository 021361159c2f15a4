import { Play, RotateCw, ShieldCheck, Square } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { McpServer } from "#contract/mcp.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { useServerActions } from "./use-server-actions.ts";

/** Start or stop, and restart; approve first where the launch waits for it. */
export const ServerButtons = ({ server, withWords = false }: { server: McpServer; withWords?: boolean }) => {
  const { t } = useTranslation();
  const { run, isPending, reasons } = useServerActions(server);
  const size = withWords ? "md" : "iconSm";
  const variant = withWords ? "secondary" : "ghost";
  const isUp = server.state === "READY" || server.state === "DEGRADED" || server.state === "STARTING";
  const press = (action: Parameters<typeof run>[0]) => () => (isPending ? undefined : run(action));
  return (
    <fieldset aria-label={t("mcp.actionsOf", { name: server.name })} className="relative flex flex-wrap items-center gap-1.5">
      {server.launchApproved ? null : (
        <GatedButton variant="primary" size={withWords ? "md" : "sm"} reason={reasons.approve} onClick={press("approve")}>
          <ShieldCheck />
          {t("mcp.approve")}
        </GatedButton>
      )}
      {isUp ? (
        <GatedButton
          variant={variant}
          size={size}
          reason={reasons.stop}
          hint={t("mcp.stop")}
          aria-label={t("mcp.stop")}
          onClick={press("stop")}
        >
          <Square />
          {withWords ? t("mcp.stop") : null}
        </GatedButton>
      ) : (
        <GatedButton
          variant={variant}
          size={size}
          reason={reasons.start}
          hint={t("mcp.start")}
          aria-label={t("mcp.start")}
          onClick={press("start")}
        >
          <Play />
          {withWords ? t("mcp.start") : null}
        </GatedButton>
      )}
      <GatedButton
        variant={variant}
        size={size}
        reason={reasons.restart}
        hint={t("mcp.restart")}
        aria-label={t("mcp.restart")}
        onClick={press("restart")}
      >
        <RotateCw />
        {withWords ? t("mcp.restart") : null}
      </GatedButton>
    </fieldset>
  );
};
