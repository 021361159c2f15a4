/** Code that a launch fetches from elsewhere, and how exactly it is named. */
export type FetchedCode = { kind: "npm" | "pypi" | "docker" | "url"; spec: string; isPinned: boolean };

/** The last part of a command's path, without the endings that Windows adds. */
export const commandName = (command: string): string =>
  (command.split(/[/\\]/).at(-1) ?? "").toLowerCase().replace(/\.(exe|cmd|bat|ps1)$/, "");

const VALUED = {
  npx: ["-p", "--package", "--registry", "--cache", "-w", "--workspace", "--userconfig"],
  uvx: [
    "--from",
    "--with",
    "--with-editable",
    "--python",
    "-p",
    "--index-url",
    "-i",
    "--index",
    "--default-index",
    "--extra-index-url",
    "--refresh-package",
  ],
  pipx: ["--spec", "--python", "--pip-args", "-i", "--index-url"],
} as const;

/** `docker run` options without a value; all others take one. */
const DOCKER_FLAGS =
  /^(-[itdP]+|--(rm|init|interactive|tty|detach|privileged|read-only|publish-all|no-healthcheck|oom-kill-disable|sig-proxy|quiet))$/;

/** What the launch downloads and runs, if it is one of the known package runners. */
export function fetchedCode(command: string, args: readonly string[]): FetchedCode | undefined {
  const [first = "", second = ""] = args;
  switch (commandName(command)) {
    case "npx":
    case "bunx":
    case "pnpx":
      return npm(args);
    case "npm":
      return ["exec", "x"].includes(first) ? npm(args.slice(1)) : undefined;
    case "bun":
      return first === "x" ? npm(args.slice(1)) : undefined;
    case "pnpm":
    case "yarn":
      return first === "dlx" ? npm(args.slice(1)) : undefined;
    case "uvx":
      return pypi(args, VALUED.uvx, "--from");
    case "uv":
      return first === "tool" && second === "run" ? pypi(args.slice(2), VALUED.uvx, "--from") : undefined;
    case "pipx":
      return first === "run" ? pypi(args.slice(1), VALUED.pipx, "--spec") : undefined;
    case "docker":
    case "podman":
    case "nerdctl":
      return first === "run" || (first === "container" && second === "run") ? image(args.slice(args.indexOf("run") + 1)) : undefined;
    case "deno": {
      const url = args.find((arg) => /^https?:|^(npm|jsr):/.test(arg));
      return url === undefined ? undefined : { kind: "url", spec: url, isPinned: false };
    }
    default:
      return undefined;
  }
}

type Scan = { operand: string | undefined; at: number; values: Map<string, string> };

/** The first word that is neither an option nor an option's value. */
function scan(args: readonly string[], takesValue: (option: string) => boolean): Scan {
  const values = new Map<string, string>();
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? "";
    if (arg === "--") return { operand: args[i + 1], at: i + 1, values };
    if (!arg.startsWith("-")) return { operand: arg, at: i, values };
    const equals = arg.indexOf("=");
    if (equals > 0) values.set(arg.slice(0, equals), arg.slice(equals + 1));
    else if (takesValue(arg)) values.set(arg, args[(i += 1)] ?? "");
  }
  return { operand: undefined, at: args.length, values };
}

function npm(args: readonly string[]): FetchedCode | undefined {
  const { operand, values } = scan(args, (option) => VALUED.npx.some((one) => one === option));
  const spec = values.get("-p") ?? values.get("--package") ?? operand;
  if (spec === undefined) return undefined;
  if (/^(github|git|git\+\w+|https?|file):|^[^@/\s]+\/[^@/\s]+$/.test(spec)) return { kind: "url", spec, isPinned: false };
  return { kind: "npm", spec, isPinned: /.@\d+\.\d+\.\d+/.test(spec) };
}

function pypi(args: readonly string[], valued: readonly string[], from: string): FetchedCode | undefined {
  const { operand, values } = scan(args, (option) => valued.includes(option));
  const spec = values.get(from) ?? operand;
  if (spec === undefined) return undefined;
  if (/^(git\+|https?:|file:)/.test(spec)) return { kind: "url", spec, isPinned: /@[0-9a-f]{40}$/.test(spec) };
  return { kind: "pypi", spec, isPinned: /(==|@)\d/.test(spec) };
}

function image(args: readonly string[]): FetchedCode | undefined {
  const spec = args[readDockerOptions(args).end];
  return spec === undefined ? undefined : { kind: "docker", spec, isPinned: /@sha256:[0-9a-f]{64}$/.test(spec) };
}

type Options = [option: string, value: string][];

/** The options of a `docker run`, each with its value, up to the image. */
export const dockerOptions = (args: readonly string[]): Options => readDockerOptions(args.slice(args.indexOf("run") + 1)).options;

/** `end` is where the image stands. */
function readDockerOptions(args: readonly string[]): { options: Options; end: number } {
  const options: Options = [];
  let i = 0;
  for (; i < args.length && args[i]?.startsWith("-"); i += 1) {
    const arg = args[i] ?? "";
    // `-v/a:/b`, `-itv /a:/b` and `--volume=/a:/b` are ways to write `--volume /a:/b`.
    const [, flags = "", letter, attached = ""] = /^-([itdP]*)([a-zA-Z])(.*)$/.exec(arg) ?? [];
    const equals = arg.indexOf("=");
    if (flags !== "") options.push([`-${flags}`, ""]);
    if (arg.startsWith("--") && equals > 0) options.push([arg.slice(0, equals), arg.slice(equals + 1)]);
    else if (DOCKER_FLAGS.test(arg)) options.push([arg, ""]);
    else if (letter !== undefined && attached !== "") options.push([`-${letter}`, attached.replace(/^=/, "")]);
    else options.push([letter === undefined ? arg : `-${letter}`, args[(i += 1)] ?? ""]);
  }
  return { options, end: i };
}
