/** A text as a pattern of LIKE that means only itself. */
export const likeText = (text: string): string => text.replaceAll(/[\\%_]/gu, String.raw`\$&`);

/** The pattern of LIKE that finds the text anywhere. */
export const likeAnywhere = (text: string): string => `%${likeText(text)}%`;

/** What people typed into a search, in lower case. No stored text has NUL, and PostgreSQL would refuse to look for it. */
export const searched = (q = ""): string => q.replaceAll("\0", "").trim().toLowerCase();

/** One pattern for each word, for `like all`. */
export const wordPatterns = (q: string | undefined): string[] => searched(q).split(/\s+/u).filter(Boolean).map(likeAnywhere);
