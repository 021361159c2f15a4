/**
 * A first look at what a server says about itself, for what a person reading it would not see or should not obey. A finding
 * never blocks for good: it only means that nobody but a person may approve the tool.
 */
const EMOJI = /\p{RGI_Emoji}/gv;
/** Joiners are part of the spelling in these scripts; marks give the direction in right-to-left ones. */
const JOINED =
  /(?<=[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Sinhala}\p{Script=Malayalam}])[\u200C\u200D]/gu;
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;
const TEXT_STYLE = /(?<=[\p{Emoji}\p{So}])[\uFE0E\uFE0F]/gu;

type Rule = { readonly finding: string; readonly pattern: RegExp };

const HIDDEN: readonly Rule[] = [
  { finding: "hidden tag characters", pattern: /[\u{E0000}-\u{E007F}]/u },
  { finding: "text direction overrides", pattern: /[\u202A-\u202E\u2066-\u2069]/u },
  {
    finding: "invisible characters",
    pattern: /(?![\u{E0000}-\u{E007F}\u202A-\u202E\u2066-\u2069])\p{Default_Ignorable_Code_Point}|[\uFFF9-\uFFFB]/u,
  },
  { finding: "control characters", pattern: /(?![\t\n\r])\p{Cc}|\r(?!\n)/u },
  { finding: "a long run of blank space", pattern: /\s{200}/u },
];

const INSTRUCTIONS: readonly Rule[] = [
  {
    finding: "an instruction to ignore other instructions",
    pattern:
      /\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|prior|above|earlier|other|all|system)\b.{0,40}\b(?:instruction|prompt|rule|message)/iu,
  },
  {
    finding: "an instruction to hide something from the user",
    pattern:
      /\b(?:do not|don't|never|without)\b.{0,30}\b(?:tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|show|ask|asking)\b.{0,30}\buser/iu,
  },
  {
    finding: "an instruction about other tools",
    pattern:
      /\b(?:before|after|instead of|when)\b.{0,20}\b(?:us|call|invok)(?:e|ing)\b.{0,20}\b(?:any|other|another|every|all)\b.{0,20}\btools?\b/iu,
  },
  { finding: "a block that addresses the model", pattern: /<\/?\s*(?:important|system|instructions?|secret|hidden|assistant)\s*>|<!--/iu },
  {
    finding: "a reference to credentials on the machine",
    pattern: /~\/\.(?:ssh|aws|config|gnupg|kube)|\bid_(?:rsa|ed25519)\b|\/etc\/(?:passwd|shadow)|\bexfiltrat/iu,
  },
  { finding: "an image that sends data away when shown", pattern: /!\[[^\]]{0,200}\]\(\s*https?:/iu },
];

const LONGEST = 64 * 1024;

/** What is suspicious in a definition: each finding names the place. Empty means nothing was found. */
export function scanDefinition(definition: unknown): string[] {
  const findings = new Set<string>();
  for (const { path, text } of strings(definition, "")) {
    for (const finding of scanText(text)) findings.add(`${path || "definition"}: ${finding}`);
  }
  return [...findings].slice(0, 50);
}

export function scanText(text: string): string[] {
  if (text.length > LONGEST) return ["text that is too long to review"];
  const visible = text.replace(EMOJI, "").replace(JOINED, "").replace(TEXT_STYLE, "");
  const plain = RIGHT_TO_LEFT.test(visible) ? visible.replace(/[\u200E\u200F]/gu, "") : visible;
  const words = text.normalize("NFKC").replace(/\s+/gu, " ");
  return [
    ...HIDDEN.filter(({ pattern }) => pattern.test(plain)).map(({ finding, pattern }) => `${finding} (${codePoint(plain, pattern)})`),
    ...INSTRUCTIONS.filter(({ pattern }) => pattern.test(words)).map(({ finding }) => finding),
  ];
}

function codePoint(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[0].codePointAt(0) ?? 0;
  return `U+${found.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Every string of a JSON value with its path, names of members included: they are shown to models too. */
function* strings(value: unknown, path: string): Generator<{ path: string; text: string }> {
  if (typeof value === "string") yield { path, text: value };
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (!Array.isArray(value)) yield { path: `${at} (name)`, text: key };
    yield* strings(member, at);
  }
}
