import { scanDefinition, scanText } from "../catalogue/scan/scan.ts";
import { isRecord } from "../connection/json-value.ts";

type Filled = { description?: unknown; messages: readonly unknown[] };

/**
 * What the scan finds in a prompt as it was filled in. What it finds in its caller's own words too is not the server's doing, and
 * bytes of images and the like are nobody's words.
 */
export function scanFilled({ description, messages }: Filled, given: Readonly<Record<string, unknown>>): string[] {
  const own = new Set(Object.values(given).flatMap((value) => (typeof value === "string" ? scanText(value) : [])));
  const described = typeof description === "string" ? scanText(description).map((finding) => `description: ${finding}`) : [];
  const found = [...described, ...scanDefinition(messages.map(words))];
  return found.filter((finding) => ![...own].some((one) => finding.endsWith(`: ${one}`)));
}

const BYTES: ReadonlySet<unknown> = new Set(["image", "audio"]);

function words(message: unknown): unknown {
  if (!isRecord(message) || !isRecord(message["content"])) return message;
  const { data: _, ...bare } = message["content"];
  const content = BYTES.has(bare["type"]) ? bare : message["content"];
  const { resource } = content;
  if (!isRecord(resource)) return { ...message, content };
  const { blob: _blob, ...text } = resource;
  return { ...message, content: { ...content, resource: text } };
}
