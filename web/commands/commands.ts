import {
  Bot,
  GanttChart,
  Keyboard,
  ListTree,
  LogOut,
  MessagesSquare,
  Pause,
  Play,
  Plug,
  RotateCw,
  ScrollText,
  Search,
  SunMoon,
  UserCheck,
  Workflow,
  X,
  type LucideIcon,
} from "lucide-react";

export const COMMAND_GROUPS = ["general", "navigation", "run", "canvas", "timeline"] as const;
export type CommandGroup = (typeof COMMAND_GROUPS)[number];

type Spec = {
  group: CommandGroup;
  /** `mod+k` is a chord, `g r` a sequence; `mod` is the command key on a Mac, Ctrl elsewhere. */
  keys?: readonly string[];
  /** With an icon it is offered in the palette; without, it makes sense by key only. */
  icon?: LucideIcon;
};

/**
 * Everything that can be done by key or from the palette: one table for dispatch, palette, shortcut sheet and tooltips.
 * Titles are the i18n keys `shell.commands.<id>`. What a command does is registered by whoever is on the page.
 */
export const COMMANDS = {
  palette: { group: "general", keys: ["mod+k"] },
  shortcuts: { group: "general", keys: ["?"], icon: Keyboard },
  theme: { group: "general", icon: SunMoon },
  signOut: { group: "general", icon: LogOut },

  goWorkflows: { group: "navigation", keys: ["g w"], icon: Workflow },
  goRuns: { group: "navigation", keys: ["g r"], icon: ListTree },
  goApprovals: { group: "navigation", keys: ["g p"], icon: UserCheck },
  goMcpServers: { group: "navigation", keys: ["g m"], icon: Plug },
  goAgents: { group: "navigation", keys: ["g a"], icon: Bot },

  runWorkflow: { group: "run", keys: ["mod+enter"], icon: Play },
  pauseRun: { group: "run", icon: Pause },
  cancelRun: { group: "run", icon: X },
  retryRun: { group: "run", icon: RotateCw },
  tabGraph: { group: "run", keys: ["shift+g"], icon: Workflow },
  tabTimeline: { group: "run", keys: ["shift+t"], icon: GanttChart },
  tabMessages: { group: "run", keys: ["shift+m"], icon: MessagesSquare },
  tabEvents: { group: "run", keys: ["shift+e"], icon: ScrollText },
  closeStep: { group: "run", keys: ["escape"] },

  walk: { group: "canvas", keys: ["arrowleft", "arrowright", "arrowup", "arrowdown"] },
  openStep: { group: "canvas", keys: ["enter"] },
  fit: { group: "canvas", keys: ["1"], icon: Search },
  resetZoom: { group: "canvas", keys: ["0"] },
  zoomIn: { group: "canvas", keys: ["plus"] },
  zoomOut: { group: "canvas", keys: ["minus"] },

  rowNext: { group: "timeline", keys: ["j"] },
  rowPrevious: { group: "timeline", keys: ["k"] },
  rowOpen: { group: "timeline", keys: ["enter"] },
  timelineZoomIn: { group: "timeline", keys: ["plus"] },
  timelineZoomOut: { group: "timeline", keys: ["minus"] },
  timelineReset: { group: "timeline", keys: ["0"] },
} as const satisfies Record<string, Spec>;

export type CommandId = keyof typeof COMMANDS;
export const COMMAND_IDS = Object.keys(COMMANDS).filter((id): id is CommandId => id in COMMANDS);
export const specOf = (id: CommandId): Spec => COMMANDS[id];
/** The first shortcut of a command, for tooltips. */
export const keysOf = (id: CommandId): string | undefined => specOf(id).keys?.[0];
