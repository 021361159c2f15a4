import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply } from "fastify";

const PAGE = "index.html";
const YEAR_S = 365 * 24 * 60 * 60;

/** Said instead of the web app where it was not built; no script, no style, nothing to load. */
const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Auterity</title></head>
<body><h1>Auterity is running</h1>
<p>The web app is not built on this machine. Build it with <code>npx vite build web</code> and start again.</p>
<p>The API answers under <code>/api/v1</code>; its reference is at <a href="/docs">/docs</a>.</p>
</body></html>
`;

/** Serves the built web app, and answers how to send its page for paths that only the browser's router knows. */
export async function serveWebApp(app: FastifyInstance, webDir: string | undefined): Promise<(reply: FastifyReply) => FastifyReply> {
  if (webDir === undefined || !existsSync(join(webDir, PAGE))) {
    return (reply) => reply.type("text/html; charset=utf-8").header("cache-control", "no-store").send(NOT_BUILT);
  }
  await app.register(fastifyStatic, {
    root: webDir,
    // One route per file instead of a wildcard, so that unknown paths reach the not-found handler with their methods.
    wildcard: false,
    index: PAGE,
    dotfiles: "deny",
    cacheControl: false,
    setHeaders: (reply, path) => reply.header("cache-control", cacheControl(path)),
  });
  return (reply) => reply.sendFile(PAGE);
}

/** Files under `assets` carry a hash of their content in their name; the others must be asked for again. */
function cacheControl(path: string): string {
  return /[/\\]assets[/\\][^/\\]+$/.test(path) ? `public, max-age=${YEAR_S}, immutable` : "no-cache";
}
