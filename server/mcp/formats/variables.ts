/** A value that a text leaves open; `fallback` as in `${NAME:-fallback}`. */
export type Variable = { id: string; fallback: string | undefined };

const VARIABLE = /\$\{(?:(input|env):([^}]{1,128})|([A-Za-z_]\w{0,127})(?::-([^}]{0,1024}))?|(\/))\}/g;

/**
 * The variables that VS Code, Cursor and Claude Code know: `${input:id}`, `${env:NAME}`, `${NAME}`, `${NAME:-fallback}`,
 * `${workspaceFolder}`, `${userHome}`. None is read from this process: each is asked for, an environment's as `env:NAME`.
 */
export function variablesIn(text: string): Variable[] {
  const found = [...text.matchAll(VARIABLE)].map(toVariable);
  return found.filter((variable) => variable !== undefined);
}

/** The text with its variables filled in; one without a value stays as it is. */
export function fillIn(text: string, valueOf: (variable: Variable) => string | undefined): string {
  return text.replaceAll(VARIABLE, (whole, ...groups: (string | undefined)[]) => {
    const variable = toVariable([whole, ...groups]);
    return variable === undefined ? "/" : (valueOf(variable) ?? whole);
  });
}

/** The text with a filler of the same length for each variable: what stands where, apart from them. */
export const blankVariables = (text: string): string => text.replaceAll(VARIABLE, (whole) => "_".repeat(whole.length));

const EDITOR = new Set(["workspaceFolder", "userHome"]);

function toVariable([, kind, named, plain, fallback]: readonly (string | undefined)[]): Variable | undefined {
  if (kind !== undefined && named !== undefined) return { id: kind === "env" ? `env:${named}` : named, fallback: undefined };
  if (plain === undefined || plain === "pathSeparator") return undefined;
  return { id: EDITOR.has(plain) ? plain : `env:${plain}`, fallback };
}
