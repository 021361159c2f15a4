/** Something that a person should look at. */
export type Issue = { kind: string; message: string };
