import { blankVariables } from "../formats/variables.ts";
import { secretName } from "./launch.ts";
import { fill, placeNamed, placeText, type Placing } from "./place-values.ts";

type Written = { url: string; query?: Readonly<Record<string, string>> | undefined };
type Placed = { url: string; query: Record<string, string> | undefined; problems: string[] };

/** The address without the parameters that are secret: those are kept beside it, as references. */
export function placeAddress(placing: Placing, { url, query: given }: Written): Placed {
  const { base, parameters, fragment } = splitAddress(url);
  const problems: string[] = [];
  const open = (text: string): string => {
    const filled = fill(placing, text);
    if (filled.isPassword) problems.push(NO_PLACE);
    return filled.text;
  };
  const query = given && placeNamed(placing, "query", given);
  const secret = new Map<string, string>();
  const kept = parameters.flatMap(({ name, value, written }) => {
    const filled = fill(placing, value);
    if (filled.isLeftOut) return [];
    const placed = placeText(placing, { at: `query.${name}`, name, filled });
    if (secretName(placed) === undefined) return [open(written)];
    if (secret.has(name) || (query && Object.hasOwn(query, name))) problems.push(`the parameter ${name} has more than one value`);
    secret.set(name, placed);
    open(name);
    return [];
  });
  const address = open(base) + (kept.length > 0 ? `?${kept.join("&")}` : "") + open(fragment);
  const all = { ...query, ...Object.fromEntries(secret) };
  return { url: address, query: query || secret.size > 0 ? all : undefined, problems };
}

const NO_PLACE =
  "a password cannot be kept secret in this part of the address; use the value of a parameter (`?name=${input:id}`), a header, a variable or an argument";

type Parameter = { name: string; value: string; /** As it stands in the address. */ written: string };

/** What a variable stands for may hold any character: only those outside of variables divide the address. */
function splitAddress(text: string): { base: string; parameters: Parameter[]; fragment: string } {
  const plain = blankVariables(text);
  const end = plain.includes("#") ? plain.indexOf("#") : plain.length;
  const start = plain.slice(0, end).indexOf("?");
  const fragment = text.slice(end);
  if (start === -1) return { base: text.slice(0, end), parameters: [], fragment };
  const parameters: Parameter[] = [];
  let at = start + 1;
  for (const part of plain.slice(at, end).split("&")) {
    const written = text.slice(at, at + part.length);
    const equals = part.includes("=") ? part.indexOf("=") : part.length;
    parameters.push({ name: decoded(written.slice(0, equals)), value: decoded(written.slice(equals + 1)), written });
    at += part.length + 1;
  }
  return { base: text.slice(0, start), parameters, fragment };
}

function decoded(text: string): string {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
