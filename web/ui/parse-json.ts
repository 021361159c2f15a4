import { Json } from "#contract/common.ts";

/** Undefined when the text is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return Json.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
