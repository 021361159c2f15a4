import {
  Bot,
  BotMessageSquare,
  Braces,
  CircleStop,
  Code,
  Database,
  Globe,
  Hourglass,
  Layers,
  Merge,
  Play,
  Plug,
  Repeat,
  Sparkles,
  Split,
  StickyNote,
  UserCheck,
  Users,
  Waypoints,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import { useTranslation } from "react-i18next";
import type { NodeType } from "#contract/definition.ts";
import { FAMILY, type NodeFamily } from "../graph/describe-node.ts";
import { cn } from "./cn.ts";

const ICON: Readonly<Record<NodeType, LucideIcon>> = {
  start: Play,
  end: CircleStop,
  agent: BotMessageSquare,
  mcp_tool: Plug,
  openai_model: Sparkles,
  custom_agent: Bot,
  a2a_agent: Waypoints,
  team: Users,
  transform: Braces,
  condition: Split,
  switch: Split,
  map: Layers,
  loop: Repeat,
  join: Merge,
  wait: Hourglass,
  approval: UserCheck,
  subworkflow: Workflow,
  context: Database,
  http: Globe,
  code: Code,
  note: StickyNote,
};

const TILE: Readonly<Record<NodeFamily, string>> = {
  flow: "text-kind-flow bg-[color-mix(in_oklch,var(--kind-flow)_11%,transparent)]",
  mcp: "text-kind-mcp bg-[color-mix(in_oklch,var(--kind-mcp)_12%,transparent)]",
  model: "text-kind-model bg-[color-mix(in_oklch,var(--kind-model)_11%,transparent)]",
  custom: "text-kind-custom bg-[color-mix(in_oklch,var(--kind-custom)_12%,transparent)]",
  a2a: "text-kind-a2a bg-[color-mix(in_oklch,var(--kind-a2a)_11%,transparent)]",
  data: "text-kind-data bg-[color-mix(in_oklch,var(--kind-data)_11%,transparent)]",
};

/** The icon of a kind of step on a tile of its colour. Decorative: the kind's name stands beside it, or in `title`. */
export const KindTile = ({ type, className, titled = false }: { type: NodeType; className?: string; titled?: boolean }) => {
  const { t } = useTranslation();
  const Icon = ICON[type];
  return (
    <span
      className={cn(
        "inline-flex size-9 shrink-0 items-center justify-center rounded-[10px] [&_svg]:size-[52%]",
        TILE[FAMILY[type]],
        className,
      )}
      title={titled ? t(`canvas.type.${type}`) : undefined}
    >
      <Icon aria-hidden="true" strokeWidth={2} />
      {titled ? <span className="sr-only">{t(`canvas.type.${type}`)}</span> : null}
    </span>
  );
};
