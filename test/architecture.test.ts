import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROUTES } from "#contract/routes.ts";
import { ROOT, codeLines, sourceFiles, type SourceFile } from "./support/source-files.ts";

const files = sourceFiles();
const product = files.filter((file) => !file.isTest);

/** Slices of the server: they never import one another; only `compose` connects them. */
const SLICES = readdirSync(join(ROOT, "server"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["kernel", "postgres", "telemetry", "http"].includes(entry.name))
  .map((entry) => entry.name);

/** What the files of a room may import of ours. The first matching room counts. A room may always import itself. */
const ROOMS: readonly { room: RegExp; may: readonly RegExp[] }[] = [
  { room: /^contract\//, may: [] },
  { room: /^engine\//, may: [/^contract\//] },
  { room: /^server\/kernel\//, may: [/^contract\//] },
  { room: /^server\/(runs|workflows)\//, may: [/^contract\//, /^server\/kernel\//, /^engine\//] },
  { room: /^server\/[^/]+\//, may: [/^contract\//, /^server\/kernel\//] },
  { room: /^server\//, may: [/^contract\//, /^engine\//, /^server\//] },
  { room: /^sdk\//, may: [/^contract\//] },
  { room: /^cli\//, may: [/^contract\//, /^engine\/index\.ts$/, /^sdk\//, /^server\/main\.ts$/] },
  { room: /^web\//, may: [/^contract\//, /^engine\//, /^sdk\/client\.ts$/, /^package\.json$/] },
  { room: /^examples\//, may: [/^contract\//, /^sdk\//] },
  { room: /^(bench|docs)\//, may: [/^./] },
];

/** Packages that rooms without I/O may use. */
const PURE: readonly { room: RegExp; packages: readonly string[] }[] = [
  { room: /^contract\//, packages: ["zod"] },
  { room: /^engine\//, packages: ["jsonata", "re2js", "zod"] },
];

const ours = (target: string): boolean => /\.(tsx?|json|css)$/.test(target) && target.includes("/");

function roomOf(path: string): string {
  return /^server\/[^/]+\//.exec(path)?.[0] ?? /^[^/]+\//.exec(path)?.[0] ?? "";
}

function forbidden(file: SourceFile): string[] {
  const room = ROOMS.find((candidate) => candidate.room.test(file.path));
  return file.imports
    .filter((target) => ours(target) && roomOf(target) !== roomOf(file.path))
    .filter((target) => !room?.may.some((allowed) => allowed.test(target)))
    .map((target) => `${file.path} imports ${target}`);
}

describe("the house", () => {
  test("every room imports only what it may", () => {
    expect(product.flatMap(forbidden)).toEqual([]);
  });

  test("a slice is entered by its door", () => {
    const throughTheWall = product.flatMap((file) =>
      file.imports
        .filter((target) => SLICES.some((slice) => target.startsWith(`server/${slice}/`)) && roomOf(target) !== roomOf(file.path))
        .filter((target) => !target.endsWith("/index.ts") && !file.path.startsWith("bench/"))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(throughTheWall).toEqual([]);
  });

  test("contract and engine use no package with I/O and nothing of Node", () => {
    const wrong = product.flatMap((file) => {
      const rule = PURE.find(({ room }) => room.test(file.path));
      return rule ? file.imports.filter((t) => !ours(t) && !rule.packages.includes(t)).map((t) => `${file.path} imports ${t}`) : [];
    });
    expect(wrong).toEqual([]);
  });

  test("nothing imports in a circle", () => {
    expect(cycles(product)).toEqual([]);
  });

  test("only config.ts reads the environment", () => {
    const readers = product.filter(({ path, text }) => path.startsWith("server/") && /\bprocess\.env\b/.test(text)).map(({ path }) => path);
    expect(readers).toEqual([]);
  });

  test("the engine asks nobody for time or chance", () => {
    const impure = product.filter(({ path, text }) => path.startsWith("engine/") && /\bDate\.now\(|new Date\(\)|Math\.random\(/.test(text));
    expect(impure.map(({ path }) => path)).toEqual([]);
  });

  test("every route is listed under its own name", () => {
    for (const [name, route] of Object.entries(ROUTES)) expect(route.name).toBe(name);
    const addresses = Object.values(ROUTES).map((route) => `${route.method} ${route.path}`);
    expect(new Set(addresses).size).toBe(addresses.length);
  });
});

describe("the budgets", () => {
  test("the size of the house is reported", () => {
    const sized = product.map(({ path, text }) => ({ path, lines: codeLines(text) })).toSorted((a, b) => b.lines - a.lines);
    const total = sized.reduce((sum, { lines }) => sum + lines, 0);
    const largest = sized.slice(0, 5).map(({ path, lines }) => `  ${lines}  ${path}`);
    process.stdout.write(`${sized.length} files, ${total} code lines; the largest:\n${largest.join("\n")}\n`);
    expect(sized.length).toBeGreaterThan(100);
  });

  test("no file is over 300 code lines (500 for tests)", () => {
    const over = files
      .map((file) => ({ path: file.path, lines: codeLines(file.text), max: file.isTest ? 500 : 300 }))
      .filter(({ lines, max }) => lines > max);
    expect(over).toEqual([]);
  });

  test("no check is switched off in the source", () => {
    const marker = new RegExp(
      [
        "oxlint-disable",
        "eslint-disable",
        "@ts-ignore",
        "@ts-expect-error",
        "@ts-nocheck",
        "\\bTODO\\b",
        "\\bFIXME\\b",
        "\\.only\\(",
        "\\b(it|test|describe)\\.skip",
      ].join("|"),
    );
    const marked = files.filter(({ path, text }) => path !== "test/architecture.test.ts" && marker.test(text)).map(({ path }) => path);
    expect(marked).toEqual([]);
  });
});

/** Each import cycle once, as a list of paths. Type imports count: a circle of types is a circle of ideas. */
function cycles(all: readonly SourceFile[]): string[][] {
  const byPath = new Map(all.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[][] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) return void found.push([...trail.slice(trail.indexOf(path)), path]);
    if (done.has(path)) return;
    for (const next of byPath.get(path)?.imports ?? []) if (byPath.has(next)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of byPath.keys()) visit(path, []);
  return found;
}
