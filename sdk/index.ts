/** For custom agents and programs under Node. In browsers import `./client.ts`: this file also brings the agents' socket. */
export { RetryableError, defineAgent, jsonSchema, skill, type AgentOptions, type RunningAgent, type SkillContext } from "./agent.ts";
export { ApiError, createClient, type Client, type ClientOptions } from "./client.ts";
