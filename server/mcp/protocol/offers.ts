import type { Prompt, Resource, ResourceTemplateType } from "@modelcontextprotocol/client";
import { LIMITS } from "#contract/limits.ts";
import type { McpPrompt } from "#contract/mcp/prompts.ts";
import type { McpResource, McpResourceTemplate } from "#contract/mcp/resources.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import { variablesOf } from "./uri-template.ts";

/** What a server says it offers beside tools, as it is shown; with what the scan finds in any of its texts. */
const LONGEST_NAME = 256;

export function readResource(listed: Resource): McpResource | undefined {
  const { uri, name, title, description, mimeType, size } = listed;
  if (uri.length > LIMITS.mcpUriChars || name.length > LONGEST_NAME) return undefined;
  return { uri, name, ...texts({ title, description, mimeType }), size: size ?? null, findings: scanDefinition(listed) };
}

export function readTemplate(listed: ResourceTemplateType): McpResourceTemplate | undefined {
  const { uriTemplate, name, title, description, mimeType } = listed;
  if (uriTemplate.length > LIMITS.mcpUriChars || name.length > LONGEST_NAME) return undefined;
  try {
    const variables = variablesOf(uriTemplate);
    return { uriTemplate, name, ...texts({ title, description, mimeType }), variables, findings: scanDefinition(listed) };
  } catch {
    return undefined;
  }
}

export function readPrompt(listed: Prompt): McpPrompt | undefined {
  const { name, title, description, arguments: given = [] } = listed;
  if (name.length > LONGEST_NAME) return undefined;
  const args = given.map((one) => ({ name: one.name, description: one.description ?? null, required: one.required === true }));
  return { name, title: title ?? null, description: description ?? null, arguments: args, findings: scanDefinition(listed) };
}

type Texts = Record<"title" | "description" | "mimeType", string | undefined>;
const texts = ({ title, description, mimeType }: Texts) => ({
  title: title ?? null,
  description: description ?? null,
  mimeType: mimeType ?? null,
});
