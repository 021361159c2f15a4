import { CircleAlert, CircleCheck, CircleStop, LoaderCircle, ShieldAlert, TriangleAlert, type LucideIcon } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { ServerState } from "#contract/mcp/servers.ts";
import { Badge, type Tone } from "../../ui/badge.tsx";
import { cn } from "../../ui/cn.ts";

const LOOK: Readonly<Record<ServerState, { icon: LucideIcon; tone: Tone; spins?: boolean }>> = {
  STOPPED: { icon: CircleStop, tone: "idle" },
  STARTING: { icon: LoaderCircle, tone: "busy", spins: true },
  READY: { icon: CircleCheck, tone: "ok" },
  DEGRADED: { icon: TriangleAlert, tone: "wait" },
  STOPPING: { icon: LoaderCircle, tone: "idle", spins: true },
  FAILED: { icon: CircleAlert, tone: "bad" },
  QUARANTINED: { icon: ShieldAlert, tone: "bad" },
};

export const ServerStateBadge = ({ state }: { state: ServerState }) => {
  const { t } = useTranslation();
  const { icon: Icon, tone, spins = false } = LOOK[state];
  return (
    <Badge tone={tone} data-status={state}>
      <Icon aria-hidden="true" className={cn(spins && "animate-spin [animation-duration:1.6s]")} />
      {t(`mcp.state.${state}`)}
    </Badge>
  );
};
