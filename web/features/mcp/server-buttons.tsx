import { Play, RotateCw, ShieldCheck, Square } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { McpServer } from "#contract/mcp/servers.ts";
import { GatedButton } from "../../ui/gated-button.tsx";
import { useServerActions, type ServerAction, type ServerActions } from "./use-server-actions.ts";

const ICON: Readonly<Record<ServerAction, ReactNode>> = {
  start: <Play />,
  stop: <Square />,
  restart: <RotateCw />,
  approve: <ShieldCheck />,
};

/** Start or stop, and restart; where the launch waits for it, its approval first. */
export const ServerButtons = ({ server, withWords = false }: { server: McpServer; withWords?: boolean }) => {
  const { t } = useTranslation();
  const actions = useServerActions(server);
  const isUp = server.state === "READY" || server.state === "DEGRADED" || server.state === "STARTING";
  const usual: readonly ServerAction[] = [isUp ? "stop" : "start", "restart"];
  const shown: readonly ServerAction[] = server.launchApproved ? usual : withWords ? ["approve", ...usual] : ["approve"];
  return (
    <fieldset aria-label={t("mcp.actionsOf", { name: server.name })} className="relative flex flex-wrap items-center gap-1.5">
      {shown.map((action) => (
        <ActionButton key={action} action={action} actions={actions} withWords={withWords || action === "approve"} isBig={withWords} />
      ))}
    </fieldset>
  );
};

type Props = { action: ServerAction; actions: ServerActions; withWords: boolean; isBig: boolean };

const ActionButton = ({ action, actions: { run, isPending, reasons }, withWords, isBig }: Props) => {
  const { t } = useTranslation();
  const word = t(`mcp.${action}`);
  return (
    <GatedButton
      variant={action === "approve" ? "primary" : isBig ? "secondary" : "ghost"}
      size={isBig ? "md" : withWords ? "sm" : "iconSm"}
      reason={reasons[action]}
      hint={action === "approve" ? t("mcp.approveHint") : word}
      aria-label={withWords ? undefined : word}
      onClick={() => (isPending ? undefined : run(action))}
    >
      {ICON[action]}
      {withWords ? word : null}
    </GatedButton>
  );
};
