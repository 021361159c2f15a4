/** Stands for a part of a value that only a run can compute. */
export const COMPUTED = Symbol("computed");

/** JSON of a definition as far as it is known before a run. */
export type KnownValue = string | number | boolean | null | typeof COMPUTED | KnownValue[] | { [key: string]: KnownValue };
