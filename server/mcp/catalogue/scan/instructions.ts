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

/** Between "never" and what is never to be done. Who never does something without asking, or instead of asking, does ask. */
const meanwhile = (end: string): string =>
  String.raw`(?:(?!\b(?:without|until|unless|before|instead|but|always|forget|fail|hesitate|neglect)\b)[^${end}]){0,30}`;
const NEVER = String.raw`\b(?:do not|don'?t|never|must(?: not|n'?t))\b`;
const TELLING = String.raw`\b(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|notify(?:ing)?|reveal(?:ing)?|show(?:ing)?|alert(?:ing)?)\b`;

const HIDE: readonly RegExp[] = [
  new RegExp(String.raw`${NEVER}${meanwhile(".;!?")}${TELLING}.{0,30}\busers?\b`, "iu"),
  new RegExp(String.raw`${NEVER}${meanwhile(".,:;!?—–")}\bask(?:ing)?\b.{0,30}\busers?\b`, "iu"),
  new RegExp(
    String.raw`(?<!(?:\b(?:not|never|no|cannot)|n'?t)\b(?! (?:forget|fail|hesitate|neglect))[^.;!?]{0,60})\bwithout\b.{0,30}(?:${TELLING}|\basking\b).{0,30}\busers?\b`,
    "iu",
  ),
  /\b(?:keep\b.{0,40}\b(?:secret|hidden|private|confidential|away)|keep (?:it|this|that|these|them)|hide|conceal)\b.{0,40}\bfrom (?:the )?users?\b/iu,
  /\b(?:sag|erzähl|informier|verrat)\p{L}{0,3}\b.{0,30}\b(?:nutzer|benutzer|anwender)\p{L}{0,3}\b.{0,30}\b(?:nicht|nichts)\b/iu,
  /\bne\b.{0,20}\b(?:dites|dis|informe[zr]?|mentionne[zr]?)\b.{0,10}\b(?:pas|rien|jamais)\b.{0,30}\butilisat/iu,
  /\bno\b.{0,10}\b(?:digas|diga|informes|informe|menciones|mencione|reveles)\b.{0,30}\busuari/iu,
  /\b(?:não|nao|non)\b.{0,10}\b(?:diga|informe|mencione|dire|informare|rivelare)\b.{0,30}\b(?:usuári|utilizador|utente)/iu,
  /не\s(?:говори|сообщай|упоминай|рассказывай).{0,30}пользовател/iu,
  /(?:不要|别|請勿|请勿|切勿).{0,10}(?:告诉|告知|提及|告訴|通知).{0,10}(?:用户|使用者|用戶)/u,
  /ユーザー(?:に|へ)(?:は)?.{0,15}(?:言わない|知らせない|伝えない|言及しない)/u,
];

/** Wants to be first, or to be called before whatever else there is. A tool that needs another one says which. */
const OTHER_TOOLS: readonly RegExp[] = [
  /\b(?:before|after|instead of|when(?:ever)?|prior to)\b.{0,20}\b(?:us|call|invok|runn)(?:e|ing)\b.{0,20}\b(?:(?:any|another|every|all)\b.{0,20}\btools?|other tools?)\b/iu,
  /\b(?:call|use|invoke|run|execute|consult)(?:d|ed)?\b[^.]{0,60}\b(?:before|prior to|ahead of|instead of|in place of|rather than)\b[^.]{0,20}\b(?:any|every|each|all)(?: of)?(?: the)?(?:thing else\b| others?(?: (?:tool|function|server|one)s?\b|\s?(?:[.,;:!)]|$))| (?:tool|function)s?\b)/iu,
  /\b(?:always|must|shall|ha(?:ve|s) to|required to|sure to)\b[^.]{0,30}\b(?:call|use|invoke|run|execute)d?\b[^.]{0,10}\bthis(?: (?:tool|function|one|server)\b[^.]{0,12})? first(?:\s?(?:[.,;:!)]|$)| (?:before(?! (?:us|call|invok|runn)ing (?:the )?[a-z0-9]+[_-])|to|and|for|in|at|when|whenever)\b)/iu,
  /\bthis (?:tool|function)\b[^.]{0,10}\b(?:must|shall|has to|needs to|is to)\b[^.]{0,20}\b(?:(?:called|used|invoked|run|executed) first\b|the first (?:tool|function|one)\b)/iu,
  /\b(?:call|use|invoke|run|execute)\b[^.]{0,10}\bthis (?:tool|function)\b[^.]{0,10}\bat the (?:start|beginning) of (?:every|each|all|any)\b/iu,
  /\b(?:vor|anstatt|statt|anstelle)\b[^.]{0,10}\b(?:aller|allen|jedem|jedes|irgendeinem)\b[^.]{0,10}\b(?:anderen|weiteren)\b[^.]{0,20}\b(?:tool|werkzeug|funktion)/iu,
  /\bdies(?:es|e) (?:tool|werkzeug|funktion)\b[^.]{0,10}\b(?:immer|stets|muss)\b[^.]{0,10}\b(?:zuerst|als erstes)\b|\bmuss\b[^.]{0,10}\bdies(?:es|e) (?:tool|werkzeug|funktion)\b[^.]{0,10}\b(?:zuerst|als erstes)\b/iu,
  /\bavant\b[^.]{0,20}\b(?:tout|tous|toute|toutes|n'importe quel(?:le)?)\b[^.]{0,10}\bautres?\b[^.]{0,10}\b(?:outil|fonction)|\b(?:toujours|doit|devez)\b[^.]{0,30}\bcet(?:te)? (?:outil|fonction)\b[^.]{0,20}\ben premier\b/iu,
  /\bantes de\b[^.]{0,20}\b(?:cualquier|todas?|todos?|qualquer)\b[^.]{0,10}\b(?:otr|outr)[ao]s?\b[^.]{0,10}\b(?:herramienta|ferramenta)|\b(?:siempre|debes?|sempre|deve)\b[^.]{0,30}\b(?:esta|essa) (?:herramienta|ferramenta)\b[^.]{0,20}\bprimei?r[oa]\b/iu,
  /\bprima di\b[^.]{0,20}\b(?:qualsiasi|ogni|tutti)\b[^.]{0,10}\baltr[oi]\b[^.]{0,10}\b(?:strument|tool)|\b(?:sempre|deve|devi)\b[^.]{0,30}\bquesto (?:strumento|tool)\b[^.]{0,20}\bper primo\b/iu,
  /(?<!\p{L})(?:перед|прежде)\s.{0,30}(?:люб|всеми|всех|кажд|друг)\p{L}{0,4}\s.{0,15}инструмент|(?<!\p{L})(?:всегда|обязательно)\s.{0,20}(?:вызывай|используй|запускай)\p{L}{0,2}\s.{0,10}этот инструмент/iu,
  /在.{0,10}(?:任何|所有|其他|其它|每个).{0,6}工具(?:之前|以前|前)|(?:必须|必須|始终|始終|总是|總是|务必).{0,6}(?:首先|先).{0,6}(?:调用|使用|調用|运行)(?:此|本|这个|該|该)工具/u,
  /(?:他|ほか|すべて|全て|あらゆる)のツール.{0,12}(?:前に|先に)|(?:必ず|常に).{0,8}(?:最初に|先に|まず).{0,8}このツール|このツール.{0,8}(?:必ず|常に).{0,8}(?:最初に|先に)/u,
  /(?:다른|모든|어떤).{0,4}(?:도구|툴).{0,14}전에|(?:항상|반드시).{0,6}이 (?:도구|툴).{0,6}(?:먼저|처음)|이 (?:도구|툴).{0,6}(?:항상|반드시).{0,6}(?:먼저|처음)/u,
];

/** Where people keep what is theirs, as it is written in a path; and files that are made of secrets. */
const HOME = String.raw`(?:~|\$\{?HOME\}?|%USERPROFILE%|[\/\\](?:home|users)[\/\\][^\s\/\\]{1,64}|\/root)[\/\\]`;
const PRIVATE = new RegExp(
  String.raw`(?:${HOME}|\/etc\/|\/proc\/)[\w.]|(?<![\w*\/])\.(?:env|bash\w{2,8}|zsh\w{2,8}|profile|netrc|npmrc|pypirc|git-credentials|ssh|aws|kube|gnupg)(?![\w*])|\b(?:credentials|secrets)\.(?:json|ya?ml|toml|csv|txt)\b|\bmcp\.json\b`,
  "giu",
);

/** In each language: to read what is named next, and to hand it over. Tools that read files say what they do, and not what to do. */
const HAND_OVER: readonly { read: RegExp; give: RegExp }[] = [
  {
    read: /\b(?:read|open|load|fetch|cat|access|collect|get|retrieve)\b/iu,
    give: /\b(?:pass|send|include|attach|append|forward|provide|upload|insert|paste|put|submit|supply)\b.{0,20}\b(?:it|its|them|their|that|this|contents?|everything|results?|text|output)\b/iu,
  },
  {
    read: /\b(?:lies|lese|lade)\b|(?<!\p{L})öffne\b/iu,
    give: /(?<!\p{L})(?:übergib|übergebe|sende|schick|füge|hänge|gib|übermittle)\p{L}{0,2}\s.{0,20}(?:es|ihn|sie|das|den|die|ihren|seinen|inhalt)\b/iu,
  },
  {
    read: /\b(?:lis|lisez|lire|ouvre|ouvrez)\b/iu,
    give: /\b(?:passez?|envoyez|envoie|transmet|transmettez|inclus|incluez|ajoute|ajoutez|mets|mettez|fournissez)\b/iu,
  },
  {
    read: /\b(?:lee|lea|leer|abre|abra|leia|ler|leggi|leggere|apri)\b/iu,
    give: /\b(?:pas[ae]|pásalo|env[ií]a(?:lo)?|envie|incluy[ae]|inclua|adjunta|anexe|invia(?:lo)?|passa(?:lo)?|includi|allega)\b/iu,
  },
  { read: /прочитай|прочти|открой/iu, give: /передай|отправь|пришли|включи|вставь|добавь/iu },
  { read: /读取|讀取|打开|打開|查看/u, give: /传递|傳遞|传给|发送|發送|传入|作为|作為|附上/u },
  // Here the file stands before both verbs.
  { read: /(?:)/u, give: /(?:読み|読ん|開い|읽고|읽어|읽은).{0,40}(?:渡|送|含め|入れ|전달|보내|포함|첨부|넣)/u },
];
const NEAR = 90;

function handsOver(words: string): boolean {
  for (const { 0: place, index } of words.matchAll(PRIVATE)) {
    const before = words.slice(Math.max(0, index - NEAR), index);
    const after = words.slice(index + place.length, index + place.length + NEAR);
    if (HAND_OVER.some(({ read, give }) => give.test(after) && read.test(before))) return true;
  }
  return false;
}

/** Folders and files of keys: whoever names them has no good reason to. */
const CREDENTIALS = new RegExp(
  String.raw`${HOME}\.(?:ssh|aws|gnupg|kube|netrc|npmrc|git-credentials|docker[\/\\]config|config[\/\\](?:gcloud|gh)|cursor[\/\\]mcp)|(?<!\w)\.(?:ssh|aws|gnupg|kube)[\/\\]\w|(?<![a-z0-9])id_(?:rsa|ed25519|ecdsa)(?![a-z0-9])|\/etc\/(?:passwd|shadow)\b|\bexfiltrat`,
  "iu",
);

const ATTRIBUTES = String.raw`(?:\s+[\w:-]+\s*=[^<>]{0,500})?`;
/** After an option, or in an address, `<secret>` stands for a value. */
const NO_VALUE = String.raw`(?<!-[\w-]{1,40} |[=\/@])`;

const IMAGE = "an image that sends data away when shown";

const RULES: readonly Rule[] = [
  ...IGNORE.map((pattern) => ({ finding: "an instruction to ignore other instructions", pattern })),
  ...HIDE.map((pattern) => ({ finding: "an instruction to hide something from the user", pattern })),
  ...OTHER_TOOLS.map((pattern) => ({ finding: "an instruction about other tools", pattern })),
  {
    finding: "an instruction to give away what the model was told",
    pattern:
      /\b(?:reveal|send|forward|leak|pass|include|print|repeat|copy|paste)\b.{0,40}\b(?:system prompt|(?:entire|full|whole|complete) (?:conversation|chat|context))\b/iu,
  },
  {
    finding: "a block that addresses the model",
    pattern: new RegExp(
      String.raw`<\/?\s*(?:important|system|instructions?|critical)${ATTRIBUTES}\s*\/?>|${NO_VALUE}<\/?\s*(?:secret|hidden|assistant|admin)${ATTRIBUTES}\s*\/?>|<\|(?:im_start|im_end|system|user|assistant)\|>|\[\/?INST\]|<<\/?SYS>>`,
      "iu",
    ),
  },
  { finding: "a comment that is not shown", pattern: /<!--/u },
  { finding: "a reference to credentials on the machine", pattern: CREDENTIALS },
  {
    finding: IMAGE,
    pattern:
      /!\[[^\]]{0,200}\]\s?(?:\(\s*<?\s*(?:https?:)?\/\/|\[)|<(?:img|iframe|embed|video|audio|source|input)\b[^>]{0,1000}\b(?:src|srcset|poster)\s*=\s*["']?\s*(?:https?:)?\/\//iu,
  },
  {
    finding: "a link that runs code",
    pattern: /\]\(\s*<?\s*(?:javascript|vbscript|data):|\bhref\s*=\s*["']?\s*(?:javascript|vbscript|data):/iu,
  },
];

/** One mark for all that stand for it, before NFKC takes some of them apart. */
const APOSTROPHES = /[\u2018\u2019\u201B\u02BC\u02B9\u2032\u00B4]/gu;
/** Marks that words may stand in, `do **not**`. */
const EMPHASIS =
  /[*`]|~~|(?<![\p{L}\p{N}_])_+(?=[\p{L}\p{N}])|(?<=[\p{L}\p{N}])_+(?![\p{L}\p{N}_])|<\/?(?:b|i|u|em|strong|code|mark|span)>/giu;

/** What addresses the reader in a text, and links that lead elsewhere than they say. */
export function findInstructions(text: string): string[] {
  const words = text.replace(APOSTROPHES, "'").normalize("NFKC").replace(EMPHASIS, "").replace(/\s+/gu, " ");
  const found = RULES.filter(({ pattern }) => pattern.test(words)).map(({ finding }) => finding);
  if (handsOver(words)) found.push("an instruction to hand over a file of the user");
  if (showsImage(words)) found.push(IMAGE);
  return [...new Set(found), ...deceivingLinks(words)];
}

const BRACKETS = /!?\[|\]/gu;
const LEADS_AWAY = /\s?\(\s*<?\s*(?:https?:)?\/\//iuy;
const NAMED_ADDRESS = /\[[^\]]{1,200}\]:\s*<?\s*(?:https?:)?\/\//iu;

/** Also one whose text is long or has brackets of its own, and one whose address stands elsewhere under a name. */
function showsImage(text: string): boolean {
  const open: boolean[] = [];
  let hasImage = false;
  for (const { 0: mark, index } of text.matchAll(BRACKETS)) {
    if (mark !== "]") open.push(mark === "![");
    else if (open.pop() === true) {
      hasImage = true;
      LEADS_AWAY.lastIndex = index + 1;
      if (LEADS_AWAY.test(text)) return true;
    }
  }
  return hasImage && NAMED_ADDRESS.test(text);
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
