/*
 * What a model should not obey: words that address it instead of describing a tool, and marks that send something somewhere
 * as soon as the text is shown.
 */
import type { Rule } from "./rule.ts";

const IGNORE: readonly RegExp[] = [
  /\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|other|all|system|existing)\b.{0,40}\b(?:instruction|prompt|rule|message|guideline)/iu,
  /\b(?:ignorier|missacht|vergiss)\p{L}{0,4}\b.{0,40}\b(?:vorherig|vorig|bisherig|obig|alle|ander)\p{L}{0,3}\b.{0,40}\b(?:anweisung|vorgabe|regel)/iu,
  /\b(?:ignore[zr]?|oubli(?:e|ez|er))\b.{0,40}\b(?:instruction|consigne|règle)s?\b.{0,30}\b(?:précédent|antérieur|ci-dessus)/iu,
  /\b(?:ignor(?:a|e|ar|en)|olvid(?:a|e|ar))\b.{0,40}\b(?:instruccion|instrucci|regla|indicacion)\p{L}{0,5}\b.{0,30}\b(?:anterior|previa|de arriba)/iu,
  /\b(?:ignor(?:a|e|ar|i)|esque(?:ça|cer)|dimentica)\b.{0,40}\b(?:instru(?:ç|c|z)|istruzion|regra|regol)\p{L}{0,6}\b.{0,30}\b(?:anterior|prévia|acima|precedent)/iu,
  /(?:игнорируй|забудь|не обращай внимания на).{0,40}(?:инструкц|указани|правил)/iu,
  /(?:忽略|无视|忘记|忽視|無視).{0,20}(?:之前|先前|以上|上面|所有|前面).{0,20}(?:指令|指示|说明|提示|規則|规则)/u,
  /(?:以前|前|上記|これまで|すべて)の.{0,10}(?:指示|命令|ルール).{0,10}(?:無視|忘れ)/u,
  /(?:이전|위의|모든).{0,10}(?:지시|명령|지침).{0,10}(?:무시|잊)/u,
];

const HIDE: readonly RegExp[] = [
  /\b(?:do not|don't|never|without|must not)\b.{0,30}\b(?:tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|show|ask|asking|alert|alerting)\b.{0,30}\busers?\b/iu,
  /\b(?:keep|hide|conceal)\b.{0,40}\b(?:secret|hidden)?\b.{0,20}\bfrom (?:the )?users?\b/iu,
  /\b(?:sag|erzähl|informier|verrat)\p{L}{0,3}\b.{0,30}\b(?:nutzer|benutzer|anwender)\p{L}{0,3}\b.{0,30}\b(?:nicht|nichts)\b/iu,
  /\bne\b.{0,20}\b(?:dites|dis|informe[zr]?|mentionne[zr]?)\b.{0,10}\b(?:pas|rien|jamais)\b.{0,30}\butilisat/iu,
  /\bno\b.{0,10}\b(?:digas|diga|informes|informe|menciones|mencione|reveles)\b.{0,30}\busuari/iu,
  /\b(?:não|nao|non)\b.{0,10}\b(?:diga|informe|mencione|dire|informare|rivelare)\b.{0,30}\b(?:usuári|utilizador|utente)/iu,
  /не\s(?:говори|сообщай|упоминай|рассказывай).{0,30}пользовател/iu,
  /(?:不要|别|請勿|请勿|切勿).{0,10}(?:告诉|告知|提及|告訴|通知).{0,10}(?:用户|使用者|用戶)/u,
  /ユーザー(?:に|へ)(?:は)?.{0,15}(?:言わない|知らせない|伝えない|言及しない)/u,
];

const RULES: readonly Rule[] = [
  ...IGNORE.map((pattern) => ({ finding: "an instruction to ignore other instructions", pattern })),
  ...HIDE.map((pattern) => ({ finding: "an instruction to hide something from the user", pattern })),
  {
    finding: "an instruction about other tools",
    pattern:
      /\b(?:before|after|instead of|when(?:ever)?|prior to)\b.{0,20}\b(?:us|call|invok|runn)(?:e|ing)\b.{0,20}\b(?:any|other|another|every|all)\b.{0,20}\btools?\b/iu,
  },
  {
    finding: "an instruction to give away what the model was told",
    pattern:
      /\b(?:reveal|send|forward|leak|pass|include|print|repeat|copy|paste)\b.{0,40}\b(?:system prompt|(?:entire|full|whole|complete) (?:conversation|chat|context))\b/iu,
  },
  {
    finding: "a block that addresses the model",
    pattern:
      /<\/?\s*(?:important|system|instructions?|secret|hidden|assistant|admin|critical)\s*\/?>|<\|(?:im_start|im_end|system|user|assistant)\|>|\[\/?INST\]|<<\/?SYS>>/iu,
  },
  { finding: "a comment that is not shown", pattern: /<!--/u },
  {
    finding: "a reference to credentials on the machine",
    pattern:
      /~\/\.(?:ssh|aws|gnupg|kube|netrc|npmrc|docker\/config|config\/(?:gcloud|gh)|cursor\/mcp)|\bid_(?:rsa|ed25519|ecdsa)\b|\/etc\/(?:passwd|shadow)\b|\bexfiltrat/iu,
  },
  {
    finding: "an image that sends data away when shown",
    pattern: /!\[[^\]]{0,200}\]\s?(?:\(\s*<?\s*(?:https?:)?\/\/|\[)|<img\b[^>]{0,200}\bsrc\s*=/iu,
  },
  {
    finding: "a link that runs code",
    pattern: /\]\(\s*<?\s*(?:javascript|vbscript|data):|\bhref\s*=\s*["']?\s*(?:javascript|vbscript|data):/iu,
  },
];

/** What addresses the reader in a text, and links that lead elsewhere than they say. */
export function findInstructions(text: string): string[] {
  const words = text.normalize("NFKC").replace(/\s+/gu, " ");
  const found = RULES.filter(({ pattern }) => pattern.test(words)).map(({ finding }) => finding);
  return [...new Set(found), ...deceivingLinks(words)];
}

const MARKDOWN_LINK = /\[(?<shown>[^\]]{1,200})\]\(\s*<?(?<target>https?:\/\/[^\s)>]{1,2000})/giu;
const HTML_LINK = /<a\b[^>]{0,200}\bhref\s*=\s*["']?(?<target>https?:\/\/[^\s"'>]{1,2000})[^>]{0,200}>(?<shown>[^<]{1,200})</giu;
/** An address in what is shown; a bare name counts when nothing but a host looks like it. */
const SHOWN_HOST =
  /(?:https?:\/\/|\bwww\.)(?<address>(?:[\w-]+\.)+[\w-]+)|^\s*(?<bare>(?:[\w-]+\.)+(?:com|org|net|io|dev|ai|app|gov|edu|co|de|uk|example))(?=[/\s]|$)/iu;

function deceivingLinks(text: string): string[] {
  const links = [...text.matchAll(MARKDOWN_LINK), ...text.matchAll(HTML_LINK)];
  const elsewhere = links.find(({ groups }) => leadsElsewhere(groups?.["shown"] ?? "", groups?.["target"] ?? ""));
  return elsewhere ? ["a link that shows another address than it leads to"] : [];
}

function leadsElsewhere(shown: string, target: string): boolean {
  const { address, bare } = SHOWN_HOST.exec(shown)?.groups ?? {};
  const host = address ?? bare;
  if (host === undefined || !URL.canParse(target)) return false;
  return withoutWww(new URL(target).hostname) !== withoutWww(host.toLowerCase());
}

const withoutWww = (host: string): string => host.replace(/^www\./u, "");
