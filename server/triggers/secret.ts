import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { TriggersDeps } from "./ports.ts";

type Deps = Pick<TriggersDeps, "codec" | "redactor">;
type At = { tenantId: string; row: string };

export const secretRowName = (table: "webhooks" | "run_listeners", id: string): string => `${table}/${id}/secret`;

/** Sealed under the tenant's key and bound to its row; the redactor knows it from here on. */
export async function sealSecret({ codec, redactor }: Deps, secret: string, at: At): Promise<Buffer> {
  redactor.track(secret);
  await codec.prepare(at.tenantId);
  return codec.encode(secret, { ...at, confidential: true });
}

export async function openSecret({ codec, redactor }: Deps, sealed: Buffer, at: At): Promise<string> {
  await codec.prepare(at.tenantId);
  const secret: Json = codec.decode(sealed, at);
  if (typeof secret !== "string") throw new AppError("internal", `The stored value of ${at.row} is not a secret.`);
  redactor.track(secret);
  return secret;
}
