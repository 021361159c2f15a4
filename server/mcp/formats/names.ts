import { Slug } from "#contract/common.ts";
import { commandName, fetchedCode } from "../registration/runners.ts";

/** Fit to be part of definitions and addresses; other programs allow any name. */
export function toSlug(name: string): string {
  if (Slug.safeParse(name).success) return name;
  return name
    .slice(0, 200)
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 63);
}

/** What a server is called that its document gives no name: after what it runs. */
export function nameOfCommand(command: string, args: readonly string[]): string {
  const spec = fetchedCode(command, args)?.spec;
  if (spec !== undefined) return bare(spec.replace(/^\w+:\/\/|^git\+/g, ""));
  const script = args.find((arg) => !arg.startsWith("-"));
  const isInterpreter = /^(node|nodejs|bun|deno|python[\d.]*|java|ruby|php|uv|sh|bash)$/.test(commandName(command));
  return bare(isInterpreter && script !== undefined ? script : command);
}

/** `@modelcontextprotocol/server-filesystem@1.2` and `ghcr.io/github/github-mcp-server:latest` are about files and GitHub. */
function bare(spec: string): string {
  const parts = spec
    .replace(/[#?].*$/, "")
    .split(/[/\\]/)
    .filter((part) => part !== "");
  const generic = /^(dist|build|src|index|main|server|mcp|mcp-server|server-mcp|latest)(\.\w+)?$/;
  const unversioned = parts.map((part) => part.replace(/(?<=.)[@:=<>[].*$/, ""));
  const last = unversioned.findLast((part) => !generic.test(part)) ?? unversioned.at(-1) ?? "";
  const plain = last.replace(/^@/, "").replace(/\.(m?js|ts|py|exe|git|jar|sh)$/, "");
  return plain.replace(/^(mcp-)?server-|^mcp-|(-mcp)?-server$|-mcp$/g, "") || plain || "server";
}

/** `https://mcp.linear.app/sse` is about Linear. */
export function nameOfAddress(address: string): string {
  if (!URL.canParse(address)) return "server";
  const { hostname } = new URL(address);
  const labels = hostname.split(".").filter((label) => !/^(www|mcp|api|app)$/.test(label));
  if (/^[\d.]+$|:/.test(hostname)) return toSlug(hostname.replaceAll(/[[\]]/g, ""));
  return labels.at(labels.length > 1 ? -2 : 0) ?? "server";
}
