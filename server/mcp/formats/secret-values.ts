const SECRET_NAME =
  /key|token|secret|passw|passphrase|credential|authorization|auth\b|cookie|bearer|dsn|connection[_-]?string|\bpat\b|_pat$/i;

/** Beginnings that providers give their keys, so that leaked ones are found. */
const PREFIXES = [
  // Its characters may be read twice, so it begins only where none of them stands before.
  "(?<![\\w-])sk-(?=[\\w-]{0,200}\\d)[\\w-]{16,}",
  "[sr]k_(live|test)_\\w{8,}",
  "gh[pousr]_\\w{16,}",
  "github_pat_\\w{16,}",
  "glpat-[\\w-]{12,}",
  "xox[abeprs]-[\\w-]{8,}",
  "xapp-[\\w-]{8,}",
  "(AKIA|ASIA)[A-Z0-9]{16}\\b",
  "AIza[\\w-]{30,}",
  "ya29\\.[\\w-]{20,}",
  "hf_\\w{16,}",
  "npm_\\w{20,}",
  "pypi-[\\w-]{16,}",
  "dop_v1_\\w{16,}",
  "lin_api_\\w{16,}",
  "ntn_\\w{16,}",
  "secret_\\w{32,}",
  "fig[dour]_[\\w-]{16,}",
  "sntry[su]_[\\w=+/-]{16,}",
  "SG\\.[\\w-]{16,}",
  "tvly-[\\w-]{8,}",
  "sbp_\\w{16,}",
  "ATATT[\\w=-]{16,}",
  "eyJ[\\w-]{8,1000}\\.eyJ[\\w-]{8,4000}\\.",
];
/** Not in the middle of a word: `task-master` holds no key. */
const PREFIXED = new RegExp(`(?<![A-Za-z0-9])(?:${PREFIXES.map((one) => `(?:${one})`).join("|")})`);
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** `Name: value`, as options take a header. */
const HEADER = /^([A-Za-z][\w-]{0,63}):[ \t]*(\S.*)$/s;
/** `postgres://user:password@host` */
const URL_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i;
const PLACEHOLDER =
  /^(<.*>|\[.*\]|x{3,}|\.{3}|\*+|(your|my|insert|replace|enter|put)\b.*|(your|my|insert|replace|enter|put)[-_].*|changeme|change_me|todo|token|key|secret|password|placeholder|example)$/i;
/** What stands for a value, and is none. */
const VARIABLE = /^(?:(?:Bearer|Basic|Token)\s+)?\$\{\w{1,128}\}$/i;
/** Of characters under a name that sounds secret; words and settings have less. */
const ENTROPY_BITS = 2.5;

/** Whether a name says that its value is a credential. */
export const soundsSecret = (name: string): boolean => SECRET_NAME.test(name);

/** Whether somebody was to write their own value there and has not. */
export const isPlaceholder = (value: string): boolean => PLACEHOLDER.test(value.replace(/^(Bearer|Basic|Token)\s+/i, "").trim());

/** Whether a value is a credential: by its own look, or because its name says so and it is no plain setting. */
export function looksSecret(name: string, value: string): boolean {
  if (isCredential(name, value)) return true;
  const [, header, content = ""] = HEADER.exec(value) ?? [];
  return header !== undefined && soundsSecret(header) && isCredential(header, content);
}

function isCredential(name: string, value: string): boolean {
  if (value.trim() === "" || isPlaceholder(value) || VARIABLE.test(value)) return false;
  if (PREFIXED.test(value) || PRIVATE_KEY.test(value) || URL_PASSWORD.test(value)) return true;
  if (/^(Bearer|Basic)\s+\S{8,}/i.test(value)) return true;
  return soundsSecret(name) && !isSetting(value) && value.length >= 8 && entropy(value) >= ENTROPY_BITS;
}

const isSetting = (value: string): boolean =>
  /^(true|false|yes|no|on|off|none|null|\d{1,9})$/i.test(value) || /^(\.{0,2}\/|[a-z]:\\|https?:\/\/)/i.test(value);

/** Shannon's, in bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
