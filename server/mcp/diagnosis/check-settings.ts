import { AppError } from "#server/kernel/errors.ts";
import type { FindModel } from "../protocol/sample.ts";
import { hasApprovedRoots, type ServerRecord } from "../registration/server-record.ts";
import { failing } from "./failing.ts";
import type { Found } from "./finding.ts";
import { missingPlaces } from "./missing-places.ts";

/** The server starts all the same; it works in other folders, or in fewer. */
export async function checkRoots({ settings, approvedRoots }: ServerRecord): Promise<Found[]> {
  const places = (settings.roots ?? []).map((place, i) => ({ path: `settings.roots.${i}`, place }));
  const missing = await missingPlaces(places, (place) => {
    const remedy = "Correct the server's roots, or make the folder.";
    return new AppError("request_invalid", `The root ${place} does not exist.`, { remedy });
  });
  const gone = missing.map((found) => ({ ...found, severity: "warning" as const }));
  if (hasApprovedRoots({ settings, approvedRoots })) return gone;
  const error = new AppError("launch_not_approved", "The server works in other roots until somebody approves those of its settings.");
  return [{ path: "settings.roots", error, severity: "warning" }, ...gone];
}

/** What the server asks of a model that is not there is refused; the rest works. */
export async function checkModel(findModel: FindModel | undefined, { tenantId, environment, settings }: ServerRecord): Promise<Found[]> {
  const name = settings.sampling?.model;
  if (name === undefined || findModel === undefined) return [];
  const error = await failing(findModel({ tenantId, environment, model: name }));
  if (error === undefined) return [];
  const cause = "The model's provider is not registered in this environment, or does not list the model any more.";
  return [{ path: "settings.sampling.model", error, severity: "warning", cause, expected: "a registered model", got: name }];
}
