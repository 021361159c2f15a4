import type { ElicitRequestParams } from "@modelcontextprotocol/client";
import type { Launch } from "#contract/mcp/servers.ts";
import { allowList } from "../process/allow-list.ts";

/**
 * Which questions of a server a person is shown at all. A form must not ask for what nobody should type into it: the protocol
 * forbids servers to ask for secrets, and an answer is stored. A page is opened only by its full address.
 */
const MOST_FIELDS = 64;
const LONGEST_MESSAGE = 8_192;
const LONGEST_URL = 2_048;
const LONGEST_SCHEMA = 64 * 1024;

/** Of the name, title or description of a field that takes free text. */
const SECRET_FIELD =
  /密码|密碼|パスワード|비밀번호|(?<![\p{L}\p{N}])(?:pass(?:word|phrase|wd|code|key)?s?|passwort|kennwort|contrase(?:ñ|n)a|mot de passe|senha|пароль|secrets?|credentials?|api ?keys?|(?:access|auth|bearer|refresh|session|personal)? ?token|private ?key|ssh ?key|(?:recovery|seed|backup) ?(?:code|phrase|key)s?|otp|totp|one ?time ?(?:code|password)|2fa|mfa|cvv|cvc|pin|(?:credit ?)?card ?number|iban|ssn|social ?security)(?![\p{L}\p{N}])/iu;
/** Of the text above the form, in which some of those words are harmless. */
const SECRET_MESSAGE =
  /密码|密碼|パスワード|비밀번호|(?<![\p{L}\p{N}])(?:password|passphrase|passwort|kennwort|contrase(?:ñ|n)a|mot de passe|api ?key|private ?key|(?:access|auth|bearer) ?token|(?:recovery|seed) ?phrase|card ?number)s?(?![\p{L}\p{N}])/iu;

/** Where a server may send people: `own` is the address that it is reached at, if it has one; all hosts, unless some are named. */
export type Pages = { own?: string | undefined; hosts?: readonly string[] | undefined };

/** Why the question is not shown, if so. */
export function refusalOf(question: ElicitRequestParams, pages: Pages = {}): string | undefined {
  if (question.message.length > LONGEST_MESSAGE) return `its text is longer than ${LONGEST_MESSAGE} characters`;
  if (question.mode === "url") return refusalOfUrl(question.url, pages);
  const { properties } = question.requestedSchema;
  const fields = Object.entries(properties);
  if (fields.length > MOST_FIELDS) return `its form has more than ${MOST_FIELDS} fields`;
  if (JSON.stringify(question.requestedSchema).length > LONGEST_SCHEMA) return "its form is too large";
  const free = fields.filter(([, field]) => field.type === "string" && !("enum" in field) && !("oneOf" in field));
  if (free.length > 0 && SECRET_MESSAGE.test(words(question.message))) return "it asks for a secret";
  const secret = free.find(([name, field]) => isSecret(name, field));
  return secret && `it asks for a secret (${secret[0].slice(0, 80)})`;
}

function refusalOfUrl(text: string, { own, hosts }: Pages): string | undefined {
  if (text.length > LONGEST_URL) return `its address is longer than ${LONGEST_URL} characters`;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return "its address is not one of http or https";
  if (url.username !== "" || url.password !== "") return "its address hides where it leads";
  const isAllowed = hosts === undefined || isOf(url, own) || allowList(hosts)(targetOf(url));
  return isAllowed ? undefined : `its address leads to ${url.host}, which is none of the hosts that the settings allow`;
}

const isOf = ({ origin }: URL, own: string | undefined): boolean => own !== undefined && URL.parse(own)?.origin === origin;

const targetOf = ({ hostname, port, protocol }: URL) => ({
  host: hostname.replace(/^\[(.*)\]$/, "$1"),
  port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
});

/** The address that a server is reached at; undefined for one that is a process here. */
export const ownAddress = (launch: Launch): string | undefined => ("url" in launch ? launch.url : undefined);

/** What a person should know of a page before opening it; nothing where it is of the server's own origin. */
export function findingOfPage(page: string, own: string | undefined): string | undefined {
  const url = new URL(page);
  const server = own === undefined ? null : URL.parse(own);
  if (server === null) return `leads to ${url.host}`;
  if (server.origin === url.origin) return undefined;
  const [to, from] = server.host === url.host ? [url.origin, server.origin] : [url.host, server.host];
  return `leads to ${to}, not to the server's own ${from}`;
}

function isSecret(name: string, field: object): boolean {
  const { format, writeOnly, title, description } = { format: undefined, writeOnly: undefined, title: "", description: "", ...field };
  return format === "password" || writeOnly === true || [name, title, description].some((text) => SECRET_FIELD.test(words(text)));
}

/** `apiKey`, `api_key` and `API-key` are the same words; characters that cannot be seen do not part them. */
const words = (text: string): string =>
  text
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .replace(/[\s_.-]+/gu, " ");
