/** An address with parameters behind those that it has. What it holds already stays as it is written. */
export function addressWith(address: string, query: Readonly<Record<string, string>>): string {
  const url = new URL(address);
  const added = Object.entries(query).map(([name, value]) => `${escaped(name)}=${escaped(value)}`);
  url.search = [...(url.search.length > 1 ? [url.search.slice(1)] : []), ...added].join("&");
  return url.href;
}

/** Strictly: one of the forms in which the redactor knows a secret, and one that the URL parser changes no more. */
const escaped = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
