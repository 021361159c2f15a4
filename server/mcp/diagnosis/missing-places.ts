import { stat } from "node:fs/promises";
import type { AppError } from "#server/kernel/errors.ts";
import type { Found } from "./finding.ts";

/** A folder or file that is named at `path`. */
type Place = { path: string; place: string };

/** Those that are not on this machine. */
export async function missingPlaces(places: readonly Place[], say: (place: string) => AppError): Promise<Found[]> {
  const found = places.map(async ({ path, place }): Promise<Found[]> => {
    const isThere = await stat(place).then(
      () => true,
      () => false,
    );
    const cause = "It was moved or removed, or is on another machine.";
    return isThere ? [] : [{ path, error: say(place), cause, expected: "a place that exists", got: place }];
  });
  return (await Promise.all(found)).flat();
}
