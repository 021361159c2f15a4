/** A value that a text leaves open; `fallback` as in `${NAME:-fallback}`. */
export type Variable = { id: string; fallback: string | undefined };

/** None begins inside of another, so that texts full of beginnings cost no more than their length. */
const VARIABLE = /\$\{(?:(input|env|config|command|workspaceFolder):([^{}]{1,128})|([A-Za-z_]\w{0,127})(?::-([^{}]{0,1024}))?|(\/))\}/g;

const NONE: ReadonlySet<string> = new Set();

/**
 * The variables that VS Code, Cursor and Claude Code know: `${input:id}`, `${env:NAME}`, `${NAME}`, `${NAME:-fallback}`,
 * `${workspaceFolder}`, `${userHome}`, `${config:name}`, `${command:name}`. None is read from this process: each is asked for, an
 * environment's as `env:NAME`. A `${NAME}` of `own` is the server's own to read from the environment that it gets, and no variable.
 */
export function variablesIn(text: string, own = NONE): Variable[] {
  const found = [...text.matchAll(VARIABLE)].map((match) => toVariable(match, own));
  return found.filter((variable) => typeof variable === "object");
}

/** The text with its variables filled in; one without a value stays as it is. */
export function fillIn(text: string, valueOf: (variable: Variable) => string | undefined, own = NONE): string {
  return text.replaceAll(VARIABLE, (whole, ...groups: (string | undefined)[]) => {
    const variable = toVariable([whole, ...groups], own);
    if (variable === "separator") return "/";
    return (variable && valueOf(variable)) ?? whole;
  });
}

/** The text with a filler of the same length for each variable: what stands where, apart from them. */
export const blankVariables = (text: string): string => text.replaceAll(VARIABLE, (whole) => "_".repeat(whole.length));

const EDITOR = new Set(["workspaceFolder", "workspaceFolderBasename", "userHome"]);

type Found = Variable | "separator" | undefined;

function toVariable([, kind, named, plain, fallback]: readonly (string | undefined)[], own: ReadonlySet<string>): Found {
  if (kind !== undefined && named !== undefined) return { id: kind === "input" ? named : `${kind}:${named}`, fallback: undefined };
  if (plain === undefined || plain === "pathSeparator") return "separator";
  if (own.has(plain)) return undefined;
  return { id: EDITOR.has(plain) ? plain : `env:${plain}`, fallback };
}
