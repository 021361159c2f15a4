import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api } from "../api/client.ts";
import { keys } from "../api/keys.ts";
import { useCommands } from "../commands/use-commands.ts";
import { nextTheme, useTheme } from "./theme.ts";

type Overlays = { openPalette: () => void; openShortcuts: () => void };

/** The commands that every page has. */
export function useGlobalCommands({ openPalette, openShortcuts }: Overlays): void {
  const navigate = useNavigate();
  const client = useQueryClient();
  const { theme, setTheme } = useTheme();
  const signOut = async (): Promise<void> => {
    await api.endSession();
    await client.resetQueries({ queryKey: keys.me });
  };
  useCommands({
    palette: openPalette,
    shortcuts: openShortcuts,
    theme: () => setTheme(nextTheme(theme)),
    signOut: () => void signOut(),
    goWorkflows: () => void navigate({ to: "/workflows" }),
    goRuns: () => void navigate({ to: "/runs" }),
    goApprovals: () => void navigate({ to: "/approvals" }),
    goMcpServers: () => void navigate({ to: "/mcp-servers" }),
    goAgents: () => void navigate({ to: "/agents" }),
  });
}
