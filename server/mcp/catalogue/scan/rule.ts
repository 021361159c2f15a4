/** What is said when a text fits. Patterns are bounded: a long text must not make them slow. */
export type Rule = { readonly finding: string; readonly pattern: RegExp };
