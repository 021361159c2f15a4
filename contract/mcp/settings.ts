import { z } from "zod";

/**
 * How a registered server is used. It says nothing about what runs, so changing it needs no new approval of the launch;
 * whatever decides what runs, or what it may reach, belongs to the launch.
 */
export const ServerSettings = z.strictObject({});
export type ServerSettings = z.infer<typeof ServerSettings>;
