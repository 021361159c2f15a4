import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** What Node has compiled, for the processes that tests start: as `bin` has it for those of people. */
export const COMPILE_CACHE = join(ROOT, "node_modules", ".cache", "compiled");

export type SourceFile = {
  /** From the root, with forward slashes. */
  path: string;
  text: string;
  isTest: boolean;
  /** What it imports: paths from the root for our own files, package names or `node:x` for the rest. */
  imports: string[];
};

const FOLDERS = ["contract", "engine", "server", "sdk", "cli", "web", "examples", "test", "bench", "docs"];
const SKIPPED = new Set(["node_modules", "dist", "peers"]);
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^"';]*?from\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

export function sourceFiles(): SourceFile[] {
  return FOLDERS.flatMap((folder) => walk(join(ROOT, folder))).map(read);
}

function* paths(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* paths(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

const walk = (folder: string): string[] => {
  try {
    return [...paths(folder)];
  } catch {
    return [];
  }
};

function read(absolute: string): SourceFile {
  const text = readFileSync(absolute, "utf8");
  const path = relative(ROOT, absolute).split(sep).join("/");
  const imports = [...text.matchAll(IMPORT)].map((m) => target(path, m[1] ?? m[2] ?? m[3] ?? ""));
  return { path, text, isTest: /\.test\.tsx?$/.test(path) || path.startsWith("test/"), imports };
}

function target(from: string, specifier: string): string {
  if (specifier.startsWith("#")) return specifier.slice(1);
  if (specifier.startsWith(".")) return join(dirname(from), specifier).split(sep).join("/");
  if (specifier.startsWith("node:")) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Lines that hold code: neither blank nor only a comment. */
export function codeLines(text: string): number {
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\//g, "");
  return bare.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length;
}
