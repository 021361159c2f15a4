import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { looksSecret } from "../formats/secret-values.ts";
import { secretName } from "./launch.ts";
import { commandName } from "./runners.ts";

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;
type HttpLaunch = Extract<Launch, { transport: "http" }>;

/**
 * Variables that change what an approved executable runs, loads or trusts, in lower case. An approval is about exact bytes
 * and arguments; with one of these they would mean something else. A name that ends with `*` stands for all that begin so.
 */
const REFUSED_VARIABLES = [
  // where commands and files are found
  ..."path home ifs shell cdpath env zdotdir auterity_*".split(" "),
  // the loader and the C library
  ..."ld_* dyld_* gconv_path locpath glibc_tunables hostaliases res_options localdomain".split(" "),
  // shells
  ..."bash_env bash_func_* bashopts shellopts prompt_command ps4".split(" "),
  // interpreters
  ..."node_options node_path node_extra_ca_certs node_tls_reject_unauthorized node_repl_external_module".split(" "),
  ..."pythonstartup pythonpath pythonhome pythoninspect pythonbreakpoint pythonwarnings pythonuserbase".split(" "),
  ..."perl5opt perl5lib perl5db perllib rubyopt rubylib classpath java_tool_options jdk_java_options _java_options".split(" "),
  ..."java_options dotnet_startup_hooks coreclr_* cor_profiler* lua_init lua_path lua_cpath php_ini_scan_dir phprc".split(" "),
  // package runners: where the code comes from
  ..."npm_config_* yarn_* pip_* uv_index* uv_default_index uv_extra_index_url uv_find_links uv_config_file deno_* bun_config_*".split(" "),
  // programs that programs start
  ..."git_ssh git_ssh_command git_exec_path git_askpass git_editor git_pager git_config* git_proxy_command".split(" "),
  ..."git_external_diff git_template_dir ssh_askpass editor visual pager browser".split(" "),
  // whom they trust and whom they talk through
  ..."ssl_cert_file ssl_cert_dir requests_ca_bundle curl_ca_bundle openssl_conf openssl_modules openssl_engines".split(" "),
  ..."http_proxy https_proxy all_proxy ftp_proxy no_proxy".split(" "),
];

/** Headers that the transport or a proxy decides, in lower case. */
const RESERVED_HEADERS = [
  ..."host content-* transfer-encoding connection keep-alive upgrade te trailer expect via accept accept-encoding".split(" "),
  ..."forwarded x-forwarded-* x-real-ip proxy-* mcp-* last-event-id sec-* origin".split(" "),
];

/** Folders that no server may run in, with all that is below them; `/` only itself. */
const SYSTEM_FOLDERS = ["/proc", "/sys", "/dev", "/etc", "/boot", "/run", "/var/run"];

/** Why nobody, whatever they may approve, can register this launch; nothing if it may be registered. Paths begin with `launch`. */
export function launchIssues(launch: Launch): Issue[] {
  const issues = launch.transport === "stdio" ? stdioIssues(launch) : httpIssues(launch);
  const size = Buffer.byteLength(JSON.stringify(launch));
  if (size <= LIMITS.launchBytes) return issues;
  return [...issues, { path: "launch", message: `expected at most ${LIMITS.launchBytes} bytes; it has ${size}`, code: "launch_too_large" }];
}

function stdioIssues({ command, args, env, cwd }: StdioLaunch): Issue[] {
  const issues = Object.keys(env).flatMap((name) => variableIssues(name, `launch.env.${name}`));
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(command)) {
    issues.push({ path: "launch.command", message: "expected a command without invisible characters", code: "command_invisible" });
  }
  for (const [path, text] of [...args.map((arg, i) => [`launch.args[${i}]`, arg] as const), ...Object.entries(env).map(inEnv)]) {
    if (text.includes("\0")) issues.push({ path, message: "expected text without the NUL character", code: "nul" });
  }
  // `env NODE_OPTIONS=… node` says the same in other words.
  if (commandName(command) === "env") {
    for (const [i, arg] of args.entries()) issues.push(...variableIssues(/^(\w+)=/.exec(arg)?.[1] ?? "", `launch.args[${i}]`));
  }
  if (cwd !== undefined) issues.push(...folderIssues(cwd, "launch.cwd"));
  return issues;
}

const inEnv = ([name, value]: [string, string]) => [`launch.env.${name}`, value] as const;

function variableIssues(name: string, path: string): Issue[] {
  if (!matches(REFUSED_VARIABLES, name)) return [];
  const message = `the variable ${name} changes what the command runs or trusts; no server may have it set`;
  return [{ path, message, code: "env_refused" }];
}

/** What can be said of a folder without looking at the disk. */
export function folderIssues(folder: string, path: string): Issue[] {
  const refuse = (message: string): Issue[] => [{ path, message, code: "cwd_refused" }];
  if (folder.includes("\0")) return refuse("expected a path without the NUL character");
  if (!folder.startsWith("/")) return refuse("expected an absolute path");
  if (folder.split("/").some((part) => part === ".." || part === "." || /%2e|%2f|\\/i.test(part)))
    return refuse("expected a path without `.`, `..`, `\\` or escapes");
  const plain = folder.replace(/\/+$/, "").replaceAll(/\/+/g, "/");
  if (plain === "") return refuse("expected another folder than the root of the file system");
  const system = SYSTEM_FOLDERS.find((one) => plain === one || plain.startsWith(`${one}/`));
  return system === undefined ? [] : refuse(`expected a folder that is not in ${system}`);
}

function httpIssues({ url, headers, query = {} }: HttpLaunch): Issue[] {
  const issues = parameterIssues(url, query);
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") {
    issues.push({
      path: "launch.url",
      message: "expected an address without a user name or password; send a header instead",
      code: "url_credentials",
    });
  }
  for (const [name, value] of Object.entries(headers)) {
    const path = `launch.headers.${name}`;
    if (matches(RESERVED_HEADERS, name)) {
      issues.push({ path, message: `the header ${name} belongs to the connection; it cannot be set`, code: "header_reserved" });
    }
    if (/[\r\n\0]/.test(value)) issues.push({ path, message: "expected one line without the NUL character", code: "header_invalid" });
  }
  return issues;
}

/** What is in the address is shown to everybody who may see the server; what is in `query` is not, or only its secret's name. */
function parameterIssues(url: string, query: Readonly<Record<string, string>>): Issue[] {
  return [...new URL(url).searchParams].flatMap(([name, value]): Issue[] => {
    const isCredential = secretName(value) !== undefined || looksSecret(name, value);
    if (Object.hasOwn(query, name))
      return [
        { path: `launch.query.${name}`, message: `expected ${name} either here or in the address, not in both`, code: "query_repeated" },
      ];
    if (!isCredential) return [];
    const message = `expected an address without a credential; take ${name} out of it and give it in query, as \`"query": {"${name}": "secret:…"}\``;
    return [{ path: "launch.url", message, code: "url_credentials" }];
  });
}

function matches(patterns: readonly string[], name: string): boolean {
  const lower = name.toLowerCase();
  return patterns.some((pattern) => (pattern.endsWith("*") ? lower.startsWith(pattern.slice(0, -1)) : lower === pattern));
}
