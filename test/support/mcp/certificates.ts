/**
 * Certificates made on the spot, for TLS servers of tests: `const authority = makeAuthority()`, then
 * `authority.issue({ host: "localhost" })` is what `https.createServer` takes. Whoever shall trust them is given `authority.pem`.
 */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";

export type Identity = { key: string; cert: string };
type Names = { host: string; notBefore?: Date; notAfter?: Date };

export type Authority = {
  /** Its own certificate. */
  readonly pem: string;
  issue(names: Names): Identity;
};

const DAY_MS = 24 * 60 * 60 * 1000;
const yesterday = (): Date => new Date(Date.now() - DAY_MS);
const tomorrow = (): Date => new Date(Date.now() + DAY_MS);

export function makeAuthority(name = "Auterity test authority"): Authority {
  const own = keys();
  const pem = certificate({ subject: name, issuer: name, key: own.publicKey, signer: own.privateKey, extensions: [isAuthority] });
  return {
    pem,
    issue({ host, ...dates }) {
      const { publicKey, privateKey } = keys();
      const cert = certificate({
        subject: host,
        issuer: name,
        key: publicKey,
        signer: own.privateKey,
        extensions: [isFor(host)],
        ...dates,
      });
      return { key: toPem(privateKey), cert };
    },
  };
}

export function makeSelfSigned(host: string): Identity {
  const { publicKey, privateKey } = keys();
  return {
    key: toPem(privateKey),
    cert: certificate({ subject: host, issuer: host, key: publicKey, signer: privateKey, extensions: [isFor(host)] }),
  };
}

const keys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const toPem = (key: KeyObject): string => String(key.export({ type: "pkcs8", format: "pem" }));

type Spec = {
  subject: string;
  issuer: string;
  key: KeyObject;
  signer: KeyObject;
  extensions: readonly Buffer[];
  notBefore?: Date;
  notAfter?: Date;
};

/** X.509 v3 in DER, as far as a test needs it. */
function certificate({ subject, issuer, key, signer, extensions, notBefore = yesterday(), notAfter = tomorrow() }: Spec): string {
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const body = sequence(
    tag(0xa0, tag(0x02, Buffer.of(2))),
    tag(0x02, Buffer.from([1, ...serial()])),
    algorithm,
    nameOf(issuer),
    sequence(timeOf(notBefore), timeOf(notAfter)),
    nameOf(subject),
    Buffer.from(key.export({ type: "spki", format: "der" })),
    tag(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, signer);
  const der = sequence(body, algorithm, tag(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

let issued = 0;
const serial = (): number[] => [(issued += 1) & 0x7f, process.pid & 0xff, Date.now() & 0xff];

/** Basic constraints: may sign others. */
const isAuthority = extension("551d13", sequence(tag(0x01, Buffer.of(0xff))));
/** Subject alternative name. */
const isFor = (host: string): Buffer => extension("551d11", sequence(tag(0x82, Buffer.from(host))));

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tag(0x04, value));
}
const nameOf = (commonName: string): Buffer => sequence(tag(0x31, sequence(oid("550403"), tag(0x0c, Buffer.from(commonName)))));
const timeOf = (date: Date): Buffer => tag(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, "")));

function tag(kind: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(kind), lengthOf(content.length), content]);
}
function sequence(...parts: readonly Buffer[]): Buffer {
  return tag(0x30, Buffer.concat(parts));
}
function oid(hex: string): Buffer {
  return tag(0x06, Buffer.from(hex, "hex"));
}
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff);
}
