import { AppError } from "#server/kernel/errors.ts";
import {
  JsonText,
  type Audit,
  type AuditRecord,
  type Egress,
  type Frame,
  type FrameReader,
  type FrameSink,
  type LiveBus,
  type Redactor,
  type SecretReader,
  type SecretWriter,
  type ValueCodec,
} from "#server/kernel/ports.ts";
import type { LiveEvent } from "#contract/system.ts";

/** In-memory ports around the MCP slice, and what they were given. */
export type McpDoubles = {
  audit: Audit;
  egress: Egress;
  secrets: SecretReader;
  vault: SecretWriter;
  /** What was stored, by name. */
  stored: Map<string, string>;
  frames: FrameSink;
  frameReader: FrameReader;
  live: LiveBus;
  redactor: Redactor;
  codec: ValueCodec;
  audited: AuditRecord[];
  allowedUrls: string[];
  recorded: Frame[];
  published: LiveEvent[];
};

/** Secrets by name. Their values are what the redactor knows. */
export function mcpDoubles(secrets: Readonly<Record<string, string>> = {}): McpDoubles {
  const audited: AuditRecord[] = [];
  const allowedUrls: string[] = [];
  const recorded: Frame[] = [];
  const stored = new Map<string, string>();
  const madeForServer = new Map<string, string>();
  const published: LiveEvent[] = [];
  const listening = new Set<{ tenantId: string; listener: (event: LiveEvent) => void }>();
  const entryOf = (verb: string, name: string): AuditRecord => ({
    tenantId: "",
    actor: "",
    action: `secret.${verb}`,
    target: `secret:production/${name}`,
  });
  const text = (value: string): string => Object.values(secrets).reduce((out, secret) => out.replaceAll(secret, "[redacted]"), value);
  return {
    audited,
    allowedUrls,
    recorded,
    published,
    stored,
    audit: { record: async (_tx, ...entries) => void audited.push(...entries) },
    egress: {
      allow: async (_tx, { url }) => void allowedUrls.push(url),
      probe: async ({ url }) => {
        if (!allowedUrls.some((allowed) => new URL(allowed).origin === new URL(url).origin))
          throw new AppError("egress_denied", `${url} is not allowed.`);
      },
      fetchFor: () => async (input, init) => {
        const url = input instanceof Request ? input.url : String(input);
        if (!allowedUrls.some((allowed) => new URL(allowed).origin === new URL(url).origin))
          throw new AppError("egress_denied", `${url} is not allowed.`);
        return fetch(input, init);
      },
      connectFor:
        () =>
        async ({ host, port }) => {
          throw new AppError("egress_denied", `${host}:${port} is not allowed.`);
        },
    },
    secrets: {
      read: async ({ name }) => {
        const value = secrets[name] ?? stored.get(name);
        if (value === undefined) throw new AppError("secret_missing", `There is no secret ${name}.`);
        return value;
      },
    },
    vault: {
      prepare: async () => {},
      names: async () => new Set([...Object.keys(secrets), ...stored.keys()]),
      create: async (_tx, { name, value, madeFor }) => {
        stored.set(name, value);
        madeForServer.set(name, madeFor);
        return entryOf("created", name);
      },
      madeFor: async (_tx, serverId) => [...stored.keys()].filter((name) => madeForServer.get(name) === serverId),
      handOver: async (_tx, { name }, serverId) => void madeForServer.set(name, serverId),
      remove: async (_tx, { name }) => {
        stored.delete(name);
        return entryOf("deleted", name);
      },
    },
    frames: { record: (frame) => void recorded.push(readable(frame)) },
    frameReader: {
      list: () => Promise.resolve({ items: [], nextCursor: null }),
      exchange: () => Promise.resolve(undefined),
      all: nothing,
      follow: nothing,
    },
    live: {
      publish: (tenantId, event) => {
        published.push(event);
        for (const one of listening) if (one.tenantId === tenantId) one.listener(event);
      },
      subscribe: (tenantId, listener) => {
        const one = { tenantId, listener };
        listening.add(one);
        return () => void listening.delete(one);
      },
    },
    codec: {
      encode: (value) => Buffer.from(JSON.stringify(value)),
      encodeText: (json) => Buffer.from(json),
      decode: (bytes) => JSON.parse(bytes.toString()),
      prepare: async () => {},
    },
    redactor: { text, json: (value) => JSON.parse(text(JSON.stringify(value))) },
  };
}

async function* nothing(): AsyncGenerator<never> {}

const readable = (frame: Frame): Frame =>
  frame.content instanceof JsonText ? { ...frame, content: JSON.parse(frame.content.text) } : frame;
