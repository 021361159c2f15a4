import { LAUNCHER, quoted } from "./launcher.ts";

type Command = { file: string; args: readonly string[] };

/** Of the sandbox's own loopback: no other network has it, so nobody else can have taken it. */
const PORT = 41_280;
const PROXY = `http://127.0.0.1:${PORT}`;
const LOOPBACK = "localhost,127.0.0.1,::1";

/** By these, programs find their way out. Nobody else can set them: a launch that names one is refused. */
export const PROXY_VARIABLES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()].map((n) => [n, PROXY]))),
  NO_PROXY: LOOPBACK,
  no_proxy: LOOPBACK,
  NODE_USE_ENV_PROXY: "1",
};

const LISTEN = `require("node:net").createServer().listen(${PORT}, "127.0.0.1", function () { process.send("", this, () => process.exit()) })`;

/**
 * A command that listens on the loopback of its sandbox, hands the listening socket over to the platform on the channel that it
 * was started with, and only then becomes the command, without that channel. The socket stays one of the sandbox's network: nobody
 * outside can connect to it, nothing is left running inside, and there is neither a file nor a port to be cleared away.
 */
export function handingOver({ file, args }: Command): Command {
  const script = [
    `"$1" -e ${quoted(LISTEN)} || exit 1`,
    "exec 3>&-",
    "unset NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE OLDPWD SHLVL",
    'shift; exec "$@"',
  ];
  return { file: "/bin/sh", args: ["-c", script.join("; "), LAUNCHER, process.execPath, file, ...args] };
}
