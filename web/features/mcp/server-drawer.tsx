import { Gauge, ScrollText, Wrench } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { McpServer } from "#contract/mcp/servers.ts";
import { Badge } from "../../ui/badge.tsx";
import { Drawer } from "../../ui/dialog.tsx";
import { TabPanel, Tabs } from "../../ui/tabs.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { launchLine } from "./launch-line.ts";
import { ServerButtons } from "./server-buttons.tsx";
import { ServerLogs } from "./server-logs.tsx";
import { ServerStateBadge } from "./server-state.tsx";
import { ServerTools } from "./server-tools.tsx";

const TABS = ["overview", "tools", "logs"] as const;
const ICONS = { overview: <Gauge />, tools: <Wrench />, logs: <ScrollText /> } as const;

export const ServerDrawer = ({ server, onClose }: { server: McpServer; onClose: () => void }) => {
  const { t } = useTranslation();
  const [tab, setTab] = useState<(typeof TABS)[number]>("tools");
  return (
    <Drawer
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={server.name}
      description={server.description || launchLine(server.launch)}
    >
      <div className="flex flex-wrap items-center gap-3 px-5 pb-3">
        <ServerStateBadge state={server.state} />
        <span className="flex-1" />
        <ServerButtons server={server} withWords />
      </div>
      {server.lastError ? <LastError error={server.lastError} /> : null}
      <Tabs
        label={t("mcp.drawer.label", { name: server.name })}
        value={tab}
        onChange={setTab}
        tabs={TABS.map((value) => ({
          value,
          label: t(`mcp.drawer.tabs.${value}`),
          icon: ICONS[value],
          badge: value === "tools" ? <Badge className="tabular h-4.5 px-1.5 text-2xs">{server.toolCount}</Badge> : undefined,
        }))}
        className="flex-1"
        listClassName="px-4"
      >
        <TabPanel value="overview" className="overflow-y-auto p-5">
          <Overview server={server} />
        </TabPanel>
        <TabPanel value="tools" className="overflow-y-auto p-5">
          <ServerTools serverId={server.id} />
        </TabPanel>
        <TabPanel value="logs" className="overflow-y-auto p-5">
          <ServerLogs serverId={server.id} />
        </TabPanel>
      </Tabs>
    </Drawer>
  );
};

const LastError = ({ error }: { error: NonNullable<McpServer["lastError"]> }) => {
  const { t } = useTranslation();
  return (
    <section aria-label={t("mcp.lastError")} className="mx-5 mb-3 rounded-xl bg-bad-soft p-3 text-[0.8125rem]">
      <p className="flex justify-between gap-3 text-xs text-bad">
        <code className="font-mono font-semibold">{error.code}</code>
        <RelativeTime at={error.at} />
      </p>
      <p className="mt-1 font-medium break-words">{error.message}</p>
      <p className="text-ink-2">{error.remedy}</p>
    </section>
  );
};

const Overview = ({ server }: { server: McpServer }) => {
  const { t } = useTranslation();
  const { launch } = server;
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-2.5 text-[0.8125rem]">
      <Fact name={t("mcp.transport")}>{launch.transport}</Fact>
      <Fact name={launch.transport === "stdio" ? t("mcp.command") : t("mcp.address")}>
        <code className="font-mono text-xs break-all">{launchLine(launch)}</code>
      </Fact>
      <Fact name={t("mcp.protocol")}>{server.protocolVersion ?? t("common.unknown")}</Fact>
      <Fact name={t("mcp.serverVersion")}>{server.serverVersion ?? t("common.unknown")}</Fact>
      <Fact name={t("mcp.environment")}>{server.environment}</Fact>
      {server.confinement === "unconfined" ? <Fact name={t("mcp.unconfined")}>{t("mcp.unconfinedHint")}</Fact> : null}
      <Fact name={t("mcp.startedAt")}>{server.startedAt ? <RelativeTime at={server.startedAt} /> : t("common.never")}</Fact>
      <Fact name={t("mcp.restartCount")}>{server.restarts}</Fact>
      {server.pid === null ? null : <Fact name={t("mcp.pid")}>{server.pid}</Fact>}
    </dl>
  );
};

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <>
    <dt className="text-ink-3">{name}</dt>
    <dd className="tabular min-w-0">{children}</dd>
  </>
);
