import { isUsable } from "../catalogue/catalogue.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { MayCall } from "./sample-call.ts";

/** Of a registered server: what is approved, byte for byte as the test's own process lists it. */
export const approvedIn =
  (catalogue: ServerCatalogue): MayCall =>
  ({ name, hash }) => {
    const known = catalogue.tool(name);
    if (known !== undefined && isUsable(known) && known.hash === hash) return undefined;
    return `The tool ${name} is not called: what the server lists now is not approved.`;
  };

/** Of a launch that is not registered: what its registration would approve. */
export const unsuspicious: MayCall = ({ name, definition }) => {
  const [found] = scanDefinition(definition);
  return found === undefined ? undefined : `The tool ${name} is not called: the scan of its definition has found ${found}.`;
};
