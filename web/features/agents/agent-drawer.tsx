import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Agent, AgentEndpoint, Skill } from "#contract/agents.ts";
import { Badge } from "../../ui/badge.tsx";
import { Drawer } from "../../ui/dialog.tsx";
import { ValueView } from "../../ui/json-view.tsx";
import { RelativeTime } from "../../ui/time.tsx";
import { AgentStatusBadge } from "./agent-looks.tsx";

export const AgentDrawer = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const { t } = useTranslation();
  const { endpoint } = agent;
  return (
    <Drawer open onOpenChange={(open) => (open ? undefined : onClose())} title={agent.title} description={agent.description}>
      <div className="flex min-h-0 flex-1 flex-col gap-6 overflow-y-auto border-t border-line p-5">
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-6 gap-y-2 text-[0.8125rem]">
          <Fact name={t("agents.columns.status")}>
            <AgentStatusBadge status={agent.status} />
          </Fact>
          <Fact name={t("agents.columns.kind")}>{t(`agents.kind.${endpoint.kind}`)}</Fact>
          <Fact name={t("agents.address")}>
            <Address endpoint={endpoint} />
          </Fact>
          <Fact name={t("agents.version")}>
            <code className="font-mono text-xs break-all">{agent.version}</code>
          </Fact>
          <Fact name={t("agents.environment")}>{agent.environment}</Fact>
          <Fact name={t("agents.lastSeen")}>{agent.lastSeenAt ? <RelativeTime at={agent.lastSeenAt} /> : t("common.never")}</Fact>
          <Fact name={t("agents.registered")}>
            <RelativeTime at={agent.createdAt} />
          </Fact>
        </dl>
        {endpoint.kind === "openai" ? <Models models={endpoint.models} /> : <Skills skills={agent.skills} />}
      </div>
    </Drawer>
  );
};

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <>
    <dt className="text-ink-3">{name}</dt>
    <dd className="min-w-0">{children}</dd>
  </>
);

const Address = ({ endpoint }: { endpoint: AgentEndpoint }) => {
  const { t } = useTranslation();
  if (endpoint.kind === "custom") return t("agents.connects");
  return <code className="font-mono text-xs break-all">{endpoint.kind === "openai" ? endpoint.baseUrl : endpoint.url}</code>;
};

const Models = ({ models }: { models: readonly string[] }) => {
  const { t } = useTranslation();
  return (
    <section aria-labelledby="agent-models">
      <h3 id="agent-models" className="eyebrow mb-2">
        {t("agents.modelsTitle")}
      </h3>
      <ul className="flex flex-wrap gap-1.5">
        {models.map((model) => (
          <li key={model}>
            <Badge className="font-mono">{model}</Badge>
          </li>
        ))}
      </ul>
    </section>
  );
};

const Skills = ({ skills }: { skills: readonly Skill[] }) => {
  const { t } = useTranslation();
  return (
    <section aria-labelledby="agent-skills">
      <h3 id="agent-skills" className="eyebrow mb-2">
        {t("agents.skillsTitle")}
      </h3>
      {skills.length === 0 ? <p className="text-[0.8125rem] text-ink-3">{t("agents.noSkills")}</p> : null}
      <ul className="flex flex-col gap-3">
        {skills.map((skill) => (
          <li key={skill.name} className="panel flex flex-col gap-2 p-3.5">
            <div className="flex items-center gap-2">
              <code className="flex-1 font-mono text-[0.8125rem] font-semibold">{skill.name}</code>
              <Badge className="h-5 text-2xs">{t(`mcp.effect.${skill.effect}`)}</Badge>
            </div>
            {skill.description ? <p className="text-[0.8125rem] text-ink-2">{skill.description}</p> : null}
            {skill.inputSchema ? <ValueView value={skill.inputSchema} label={t("agents.input")} /> : null}
            {skill.outputSchema ? <ValueView value={skill.outputSchema} label={t("agents.output")} /> : null}
          </li>
        ))}
      </ul>
    </section>
  );
};
