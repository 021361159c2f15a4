import { CircleCheck, CircleDashed, CircleOff, type LucideIcon } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Agent } from "#contract/agents.ts";
import type { NodeType } from "#contract/definition.ts";
import { Badge, type Tone } from "../../ui/badge.tsx";

const STATUS: Readonly<Record<Agent["status"], { icon: LucideIcon; tone: Tone }>> = {
  online: { icon: CircleCheck, tone: "ok" },
  offline: { icon: CircleOff, tone: "bad" },
  unknown: { icon: CircleDashed, tone: "idle" },
};

export const AgentStatusBadge = ({ status }: { status: Agent["status"] }) => {
  const { t } = useTranslation();
  const { icon: Icon, tone } = STATUS[status];
  return (
    <Badge tone={tone} data-status={status}>
      <Icon aria-hidden="true" />
      {t(`agents.status.${status}`)}
    </Badge>
  );
};

/** The kind of step that such an agent does, whose icon and colour stand for it. */
export const STEP_OF_KIND: Readonly<Record<Agent["endpoint"]["kind"], NodeType>> = {
  openai: "openai_model",
  custom: "custom_agent",
  a2a: "a2a_agent",
};
