import { AGENT_PROTOCOL, type FromAgent, type ToAgent } from "#contract/agent-socket.ts";
import { AgentLink } from "./agent-link.ts";
import { SkillRunner } from "./skill-runner.ts";
import type { AgentSkill } from "./skills.ts";

export { RetryableError, jsonSchema, skill, type AgentSkill, type SkillContext } from "./skills.ts";

export type AgentOptions = {
  /** Shown in this process's own messages; the platform knows the agent by its token. */
  name: string;
  version: string;
  skills: Readonly<Record<string, AgentSkill>>;
  /**
   * Address of the platform, for example `http://127.0.0.1:4600`; of one that runs on many machines, the addresses of all
   * its workers: each asks the agent itself.
   */
  url: string | readonly string[];
  token: string;
  /** How many pieces of work to take at once from each address; 8 unless given. */
  concurrency?: number;
  /** Told about connections and their losses. */
  onStatus?: (status: { connected: boolean; reason: string }) => void;
};

export type RunningAgent = {
  /** Resolves once the platform, at one of its addresses, has welcomed the agent; rejects when it refuses it. */
  start(): Promise<void>;
  /** Cancels what is under way and closes the connections. */
  stop(): Promise<void>;
  /** Resolves after `stop`; rejects when the platform refuses the agent for good, which ends the reconnecting. */
  readonly ended: Promise<void>;
};

/** An agent of this process: connects to the platform, reconnects whenever a connection breaks, and answers until it is stopped. */
export function defineAgent(options: AgentOptions): RunningAgent {
  return new AgentProcess(options);
}

class AgentProcess implements RunningAgent {
  readonly ended: Promise<void>;
  readonly #options: AgentOptions;
  readonly #runner: SkillRunner;
  readonly #links: readonly AgentLink[];
  /** Where the answer to an invocation goes. Work itself belongs to its key, whoever asks for it. */
  readonly #askedBy = new Map<string, AgentLink>();
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  #isStarted = false;
  #isStopped = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.ended = this.#over.promise;
    // Whoever waits hears of a refusal; nobody has to.
    this.ended.catch(() => undefined);
    this.#welcomed.promise.catch(() => undefined);
    this.#runner = new SkillRunner({ skills: new Map(Object.entries(options.skills)), send: (frame) => this.#send(frame) });
    const { url } = options;
    const instance = crypto.randomUUID();
    this.#links = (typeof url === "string" ? [url] : url).map((each) => this.#link(each, instance));
  }

  start(): Promise<void> {
    if (!this.#isStarted && !this.#isStopped) for (const link of this.#links) link.connect();
    this.#isStarted = true;
    return this.#welcomed.promise;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return this.ended.catch(() => undefined);
    this.#isStopped = true;
    this.#runner.cancelAll("The agent is stopping.");
    this.#welcomed.reject(new Error("The agent was stopped."));
    await Promise.all(this.#links.map((link) => link.close()));
    return this.#over.resolve();
  }

  #link(url: string, instance: string): AgentLink {
    const { token, version, skills, concurrency = 8, onStatus } = this.#options;
    const announced = Object.entries(skills).map(([name, { announced }]) => ({ name, ...announced }));
    const link: AgentLink = new AgentLink({
      url,
      token,
      hello: { type: "hello", protocol: AGENT_PROTOCOL, version, instance, skills: announced, concurrency },
      onWelcome: (name) => {
        onStatus?.({ connected: true, reason: `welcomed as ${name}` });
        this.#welcomed.resolve();
      },
      onFrame: (frame) => this.#receive(frame, link),
      onLost: (reason) => onStatus?.({ connected: false, reason }),
      onRefused: (reason) => this.#refused(reason),
    });
    return link;
  }

  #receive(frame: ToAgent, link: AgentLink): void {
    if (frame.type === "invoke") {
      this.#askedBy.set(frame.id, link);
      this.#runner.invoke(frame);
    } else if (frame.type === "cancel") this.#runner.cancel(frame.id, frame.reason);
  }

  /** Answers that cannot be sent now stay in memory until the platform asks again. */
  #send(frame: Exclude<FromAgent, { type: "hello" }>): void {
    this.#askedBy.get(frame.id)?.send(frame);
    if (frame.type !== "progress") this.#askedBy.delete(frame.id);
  }

  /** All addresses are of one platform: what one refuses, the others will. */
  #refused(refusal: string): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const error = new Error(`The platform refuses the agent ${this.#options.name}: ${refusal}`);
    this.#runner.cancelAll(error.message);
    this.#welcomed.reject(error);
    void Promise.all(this.#links.map((link) => link.close())).then(() => this.#over.reject(error));
  }
}
