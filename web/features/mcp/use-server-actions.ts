import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { McpServer } from "#contract/mcp/servers.ts";
import { api } from "../../api/client.ts";
import { keys } from "../../api/keys.ts";
import { usePermission } from "../../api/session.ts";
import { notifyDone, notifyError } from "../../ui/notify.ts";

export type ServerAction = "start" | "stop" | "restart" | "approve";

const CALLS: Readonly<Record<ServerAction, (id: string) => Promise<McpServer>>> = {
  start: (id) => api.startMcpServer({ params: { id } }),
  stop: (id) => api.stopMcpServer({ params: { id } }),
  restart: (id) => api.restartMcpServer({ params: { id } }),
  approve: (id) => api.approveMcpLaunch({ params: { id } }),
};

const MOVING: ReadonlySet<McpServer["state"]> = new Set(["STARTING", "STOPPING"]);
const UP: ReadonlySet<McpServer["state"]> = new Set(["READY", "DEGRADED"]);

export type ServerActions = {
  run: (action: ServerAction) => void;
  isPending: boolean;
  /** Why an action cannot be taken now; undefined where it can. */
  reasons: Readonly<Record<ServerAction, string | undefined>>;
};

/** What can be done with a server, and why not. */
export function useServerActions(server: McpServer): ServerActions {
  const { t } = useTranslation();
  const client = useQueryClient();
  const control = usePermission("mcp_server:control").reason;
  const approve = usePermission("tool:approve").reason;
  const action = useMutation({
    mutationFn: (chosen: ServerAction) => CALLS[chosen](server.id),
    onSuccess: (_, chosen) => {
      const words = {
        start: t("mcp.started", server),
        stop: t("mcp.stopped", server),
        restart: t("mcp.restarted", server),
        approve: t("mcp.approved"),
      };
      notifyDone(words[chosen]);
    },
    onError: (error) => notifyError(error, t),
    onSettled: () => client.invalidateQueries({ queryKey: keys.mcp.all }),
  });
  const moving = MOVING.has(server.state) ? t("mcp.reason.moving") : undefined;
  const unapproved = server.launchApproved ? undefined : t("mcp.reason.notApproved");
  const isUp = UP.has(server.state);
  return {
    run: (chosen) => action.mutate(chosen),
    isPending: action.isPending,
    reasons: {
      start: control ?? moving ?? unapproved ?? (isUp ? t("mcp.reason.running") : undefined),
      stop: control ?? (server.state === "STOPPED" ? t("mcp.reason.stopped") : undefined),
      restart: control ?? moving ?? unapproved ?? (isUp ? undefined : t("mcp.reason.stopped")),
      approve,
    },
  };
}
