/** What makes a string impossible to store or send on, or undefined. PostgreSQL has no NUL and UTF-8 has no lone surrogates. */
export function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "expected text without the NUL character";
  return text.isWellFormed() ? undefined : "expected well-formed Unicode, without lone surrogates";
}

/** `items[3].name` out of the steps to a value. */
export function jsonPath(steps: readonly PropertyKey[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else path += path === "" ? String(step) : `.${String(step)}`;
  }
  return path;
}
