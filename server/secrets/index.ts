import type { Handled } from "#server/kernel/handle.ts";
import type { SecretReader, SecretWriter, ValueCodec } from "#server/kernel/ports.ts";
import { secretRoutes } from "./routes.ts";
import { createValueCodec } from "./value-codec.ts";
import { putSecret, secretReader, secretWriter, type VaultDeps } from "./vault.ts";

export { deriveSecret, loadOrCreateMasterKey } from "./master-key.ts";
export { createKeyring } from "./keyring.ts";
export { createRedactor, REDACTED, type TrackingRedactor } from "./redactor.ts";

export type Secrets = SecretWriter & {
  routes: Handled[];
  reader: SecretReader;

  codec: ValueCodec;
  put: ReturnType<typeof putSecret>;
};

/** The vault and the value codec. Keyring and redactor are made before: the audit trail and the logger need them too. */
export const createSecrets = (deps: VaultDeps): Secrets => ({
  routes: secretRoutes(deps),
  reader: secretReader(deps),
  ...secretWriter(deps),
  put: putSecret(deps),
  codec: createValueCodec(deps.keyring),
});
