import { createHmac, timingSafeEqual } from "node:crypto";

const TOKEN_BYTES = 16;

/**
 * Where a waiting step can be called: `<base>/hooks/<run id>.<token>.<node id>`, then `~` and the scope when it is not the top.
 * The token is an HMAC of the run's id, so that nothing has to be stored and nobody can guess the hooks of another run.
 */
export type HookAddresses = {
  /** Without the dot and node id, which the engine adds. */
  urlOf(runId: string): string;
  /** The part behind `/hooks/`, read; undefined when it is not the address of any step. */
  read(id: string): { runId: string; nodeId: string; scope: string } | undefined;
};

export function createHookAddresses({ key, baseUrl }: { key: Buffer; baseUrl: () => string }): HookAddresses {
  const tokenOf = (runId: string): Buffer => createHmac("sha256", key).update(runId).digest().subarray(0, TOKEN_BYTES);
  return {
    urlOf: (runId) => `${baseUrl()}/hooks/${runId}.${tokenOf(runId).toString("hex")}`,
    read: (id) => {
      const [, runId = "", token = "", nodeId = "", scope = ""] = SHAPE.exec(id) ?? [];
      if (runId === "" || !timingSafeEqual(Buffer.from(token, "hex"), tokenOf(runId))) return undefined;
      return { runId, nodeId, scope };
    },
  };
}

const SHAPE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9a-f]{32})\.([A-Za-z_][A-Za-z0-9_]{0,63})(?:~(.{1,512}))?$/;
