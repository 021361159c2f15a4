import pc from "picocolors";
import type { Client } from "#sdk/client.ts";
import { AppError, readConfig, startPlatform, type Platform } from "#server/main.ts";
import { startDemo, type Demo } from "../demo/flagship.ts";
import { say } from "../output.ts";

type StartOptions = { demo: boolean; installMs?: string };

/** Starts the platform, runs the flagship workflow once unless told otherwise, then serves until it is told to stop. */
export async function start(options: StartOptions): Promise<number> {
  const config = readConfig(process.env);
  const began = performance.now();
  const stopping = stopSignal();
  let platform: Platform | undefined;
  let demo: Demo | undefined;
  try {
    platform = await startPlatform(config);
    say(
      `${pc.bold("Auterity")} is ready at ${pc.cyan(platform.url)}${config.role === "all" ? "" : ` as ${config.role}`} ${pc.dim(timing(performance.now() - began, options.installMs))}`,
    );
    // The demo is carried out here; a process that is one of several only does its part.
    if (options.demo && config.role === "all") {
      demo = await startDemo(platform, { dataDir: config.dataDir, signal: stopping });
      await demo.run();
    }
    if (platform.signInUrl) say(`\nOpen ${pc.cyan(platform.signInUrl)} ${pc.dim("(this link works once; `auterity link` makes another)")}`);
    say(pc.dim("Press Ctrl+C to stop."));
    const lost = await Promise.race([platform.lost, aborted(stopping)]);
    if (lost) throw lost;
    return 0;
  } catch (error) {
    if (stopping.aborted) return 0;
    if (!(error instanceof AppError)) throw error;
    say(pc.red(`${error.code}: ${error.message}`));
    say(error.remedy);
    return 1;
  } finally {
    await demo?.stop();
    await platform?.stop();
    // What was left behind, as connections to a database that does not answer, must not keep the process alive.
    setTimeout(() => process.exit(), 1_000).unref();
  }
}

/** Makes a link that signs one browser in, once. */
export const printLink = async (client: Client): Promise<void> => say((await client.createLink({})).url);

/** Aborts on the signals that end a service, and when the process that started us is gone. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => controller.abort(new Error(signal)));
  process.on("disconnect", () => controller.abort(new Error("the starter is gone")));
  return controller.signal;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

function timing(startMs: number, installMs: string | undefined): string {
  const installed = Number(installMs ?? 0);
  const start = `(started in ${(startMs / 1000).toFixed(1)} s`;
  return installed > 0 ? `${start}; the first installation took ${(installed / 1000).toFixed(0)} s)` : `${start})`;
}
