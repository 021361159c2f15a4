import type { Launch } from "#contract/mcp/servers.ts";
import type { LaunchWarning } from "#contract/mcp/warnings.ts";
import { looksSecret } from "../formats/secret-values.ts";
import { holdsCredential } from "./launch.ts";
import { commandName, dockerOptions, fetchedCode } from "./runners.ts";

type StdioLaunch = Pick<Extract<Launch, { transport: "stdio" }>, "command" | "args">;
type Found = LaunchWarning | undefined;

const SHELLS = /^(sh|bash|dash|zsh|ksh|fish|ash)$/;
const WRAPPERS = /^(env|sudo|doas|xargs|nohup|timeout|nice|ionice|setsid|stdbuf|busybox|unshare|chroot|ssh|time|command|exec)$/;
const RUNNERS =
  /^(npx|bunx|pnpx|npm|pnpm|yarn|bun|uvx|uv|pipx|docker|podman|nerdctl|node|nodejs|deno|python[\d.]*|pypy[\d.]*|java|dotnet|go|ruby|php)$/;

/** By interpreter: arguments that are code themselves, or say which code is loaded beside the script. */
const INLINE: readonly [RegExp, RegExp][] = [
  [SHELLS, /^-[a-z]*c|^--command|^-s$/],
  [/^cmd$/, /^\/[ck]$/i],
  [/^(powershell|pwsh)$/, /^-(c|command|e|enc|encodedcommand)$/i],
  [
    /^(node|nodejs|bun)$/,
    /^(-e|-p|-pe|--eval|--print|-r|--require|--import|--loader|--experimental-loader|--env-file(-if-exists)?)(=|$)|^data:/,
  ],
  [/^deno$/, /^(eval|repl|-A|--allow-all|--allow-run)$/],
  [/^(python|pypy)[\d.]*$/, /^-[A-Za-z]*c$|^(http\.server|pdb|code|runpy|timeit|ensurepip|pip)$/],
  [/^(perl|ruby|lua|osascript|rscript|julia|elixir)$/, /^-[A-Za-z]*[eE]$/],
  [/^php$/, /^-[rRBE]$/],
  [/^(npx|npm)$/, /^(-c|--call)(=|$)/],
];

/** What whoever approves this launch should know of it. */
export function launchWarnings(launch: Launch): LaunchWarning[] {
  if (launch.transport === "http") return addressWarnings(launch.url);
  const found = [
    inlineCode(launch),
    debuggerOpen(launch),
    remoteCode(launch),
    startsAnother(launch),
    ...credentials(launch),
    ...docker(launch),
  ];
  return found.filter((one) => one !== undefined);
}

/** Whether only an owner's own registration may stand for its approval. */
export const needsOwner = (launch: Launch): boolean => launchWarnings(launch).some(({ code }) => OWNERS.some((one) => one === code));
const OWNERS = ["inline_code", "remote_code", "host_access", "debugger_open"] as const;

/** Whether it is one of the programs that MCP servers are usually started with. */
export const isKnownRunner = (command: string): boolean => RUNNERS.test(commandName(command));

const PLAIN_HTTP: LaunchWarning = {
  code: "plain_http",
  message: "The address is not https: what is sent there, tokens included, can be read on the way.",
};

const SECRET_IN_ADDRESS: LaunchWarning = {
  code: "secret_in_address",
  message:
    "The address holds what looks like a credential; whoever may see the server sees it. If the server also takes it elsewhere, give it in query or headers.",
};

function addressWarnings(address: string): LaunchWarning[] {
  const url = URL.parse(address);
  if (url === null) return [];
  const isPlain = url.protocol === "http:" && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|.*\.localhost)$/.test(url.hostname);
  const parts = [...url.pathname.split("/"), url.hash.slice(1)].map((part) => ["", part] as const);
  const holdsSecret = [...parts, ...url.searchParams].some(([name, value]) => looksSecret(name, value));
  return [...(isPlain ? [PLAIN_HTTP] : []), ...(holdsSecret ? [SECRET_IN_ADDRESS] : [])];
}

function credentials({ args }: StdioLaunch): LaunchWarning[] {
  const at = args.findIndex((_arg, i) => holdsCredential(args, i));
  const message = `args[${at}] looks like a credential: whoever may see the server sees it. Store it as a secret, and write \`secret:name\` in its place.`;
  return at === -1 ? [] : [{ code: "secret_in_arguments", message }];
}

function inlineCode({ command, args }: StdioLaunch): Found {
  const name = commandName(command);
  const inline = INLINE.filter(([interpreter]) => interpreter.test(name)).map(([, pattern]) => pattern);
  const at = args.find((arg) => inline.some((pattern) => pattern.test(arg)));
  if (at === undefined) return undefined;
  return { code: "inline_code", message: `${name} is told by ${at} to run code that is not in the program that was approved.` };
}

function debuggerOpen({ command, args }: StdioLaunch): Found {
  if (!/^(node|nodejs|bun|deno)$/.test(commandName(command))) return undefined;
  const flag = args.find((arg) => /^--inspect(-brk|-wait|-port)?(=|$)/.test(arg));
  return flag === undefined
    ? undefined
    : { code: "debugger_open", message: `${flag} lets whoever reaches that port run code in the server.` };
}

function remoteCode({ command, args }: StdioLaunch): Found {
  const code = fetchedCode(command, args);
  if (code === undefined || code.isPinned) return undefined;
  if (code.kind === "url") return { code: "remote_code", message: `The code comes from ${code.spec} each time the server starts.` };
  const how =
    code.kind === "docker"
      ? "by its digest (`name@sha256:…`)"
      : code.kind === "npm"
        ? "with its version (`name@1.2.3`)"
        : "with its version (`name==1.2.3`)";
  return { code: "unpinned_package", message: `${code.spec} may be another program tomorrow; name it ${how}.` };
}

function startsAnother({ command }: StdioLaunch): Found {
  const name = commandName(command);
  return WRAPPERS.test(name)
    ? { code: "starts_another", message: `${name} starts another program; only ${name} itself is pinned by its bytes.` }
    : undefined;
}

const WHOLE_HOST = /^--(privileged|cap-add|device|security-opt)$/;
const NAMESPACES = /^--(network|net|pid|ipc|uts|userns|cgroupns)$/;
const SENSITIVE = /^(\/|\/(etc|root|home|proc|sys|dev|boot|var|usr|bin|sbin|lib)\/?|.*docker\.sock)$/;

function docker({ command, args }: StdioLaunch): LaunchWarning[] {
  if (!/^(docker|podman|nerdctl)$/.test(commandName(command))) return [];
  return dockerOptions(args).flatMap(([option, value]): LaunchWarning[] => {
    const shown = value === "" ? option : `${option} ${value}`;
    if (WHOLE_HOST.test(option) || (NAMESPACES.test(option) && value.startsWith("host")))
      return [{ code: "host_access", message: `${shown} gives the container power over this machine.` }];
    const folder = hostFolder(option, value);
    if (folder !== undefined && SENSITIVE.test(folder))
      return [{ code: "host_access", message: `The container is given ${folder} of this machine.` }];
    if (folder !== undefined) return [{ code: "host_folder", message: `The container is given the folder ${folder} of this machine.` }];
    const name = /^(-e|--env)$/.test(option) ? /^(\w+)=/.exec(value)?.[1] : undefined;
    return name === undefined
      ? []
      : [
          {
            code: "secret_in_arguments",
            message: `${option} writes the value of ${name} into the arguments; give it in env, and only its name here.`,
          },
        ];
  });
}

function hostFolder(option: string, value: string): string | undefined {
  if (option === "-v" || option === "--volume") return /^[/.~]/.test(value) ? (value.split(":")[0] ?? "") : undefined;
  return option === "--mount" ? /(?:^|,)(?:source|src)=([^,]+)/.exec(value)?.[1] : undefined;
}
