import { z } from "zod";
import { Json } from "#contract/common.ts";
import { NODE_DATA } from "#contract/node-data.ts";
import { AppError } from "../../kernel/errors.ts";
import type { StepCall } from "../../kernel/step-executor.ts";

/** As the engine has computed it: a text, or its pieces where secrets belong into it. */
const HeaderValue = z.union([z.string(), z.array(z.union([z.string(), z.strictObject({ $secret: z.string() })]))]);
type HeaderValue = z.infer<typeof HeaderValue>;

const HttpInput = z.object({
  method: NODE_DATA.http.shape.method,
  url: z.string().max(65_536),
  headers: z.record(z.string(), HeaderValue).default({}),
  body: Json.optional(),
});
export type HttpInput = z.infer<typeof HttpInput>;

export type HttpRequest = { method: HttpInput["method"]; headers: Headers; body: string | undefined };
type ReadSecret = (name: string) => Promise<string>;

const BODILESS = new Set(["GET", "HEAD"]);
/** RFC 9110, 9.2.1: they ask for no change. */
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

export function readInput(input: Json): HttpInput {
  const parsed = HttpInput.safeParse(input);
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join("."), message }));
    throw unusable(`The request is not usable: ${issues.map(({ path, message }) => `${path}: ${message}`).join("; ")}.`);
  }
  const { method, body } = parsed.data;
  if (BODILESS.has(method) && body !== undefined && body !== null) throw unusable(`Expected no body with ${method}; there is one.`);
  return parsed.data;
}

/** What is sent. Here, and only here, references become the values of secrets. */
export async function requestOf(input: HttpInput, { key }: Pick<StepCall, "key">, readSecret: ReadSecret): Promise<HttpRequest> {
  const { method } = input;
  const headers = new Headers();
  for (const [name, value] of Object.entries(input.headers)) setHeader(headers, name, await valueOf(value, readSecret));
  if (!headers.has("user-agent")) headers.set("user-agent", "Auterity");
  if (!SAFE.has(method) && !headers.has("idempotency-key")) headers.set("idempotency-key", key);
  return { method, headers, body: bodyOf(input, headers) };
}

async function valueOf(value: HeaderValue, readSecret: ReadSecret): Promise<string> {
  if (typeof value === "string") return value;
  const pieces: string[] = [];
  for (const piece of value) pieces.push(typeof piece === "string" ? piece : await readSecret(piece.$secret));
  return pieces.join("");
}

/** What refuses a value names it; that may be a secret, so it is not passed on. */
function setHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.set(name, value);
  } catch {
    throw unusable(`The value of the header ${name} cannot be sent: expected characters of ISO 8859-1, without line breaks.`);
  }
}

/** A text goes as it is, anything else as JSON, or as a form where the header says so. Sets the content type that is missing. */
function bodyOf({ body }: HttpInput, headers: Headers): string | undefined {
  if (body === undefined || (body === null && !headers.has("content-type"))) return undefined;
  const given = headers.get("content-type");
  if (typeof body === "string") {
    if (given === null) headers.set("content-type", "text/plain; charset=utf-8");
    return body;
  }
  if (given?.toLowerCase().startsWith("application/x-www-form-urlencoded")) return formOf(body);
  if (given === null) headers.set("content-type", "application/json");
  return JSON.stringify(body);
}

function formOf(body: Json): string {
  if (body === null || typeof body !== "object" || Array.isArray(body)) throw unusable("Expected an object as the body of a form.");
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  return form.toString();
}

const unusable = (message: string): AppError => new AppError("input_invalid", message, { remedy: "Correct the fields of the step." });
