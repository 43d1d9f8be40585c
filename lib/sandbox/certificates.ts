import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import type { Settings } from "./settings.ts";

// X.509 certificates (RFC 5280) in DER, as small as a TLS client on loopback accepts them.

const SEQUENCE = 0x30;
const SET = 0x31;

function der(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(contents.map((each) => (typeof each === "string" ? Buffer.from(each) : each)));
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

const name = (common: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, identifier("2.5.4.3"), der(0x0c, common))));

const ECDSA_WITH_SHA256 = der(SEQUENCE, identifier("1.2.840.10045.4.3.2"));
const BOOLEAN_TRUE = der(0x01, Buffer.from([0xff]));

function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  return der(0x18, `${digits}Z`);
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return der(SEQUENCE, identifier(id), ...(isCritical ? [BOOLEAN_TRUE] : []), der(0x04, value));
}

interface CertificateContent {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly from: Date;
  readonly until: Date;
  readonly isAuthority: boolean;
  readonly hosts: readonly string[];
}

function alternativeNames(hosts: readonly string[]): Buffer {
  return der(
    SEQUENCE,
    ...hosts.map((host) =>
      /^[\d.]+$/.test(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, host),
    ),
  );
}

function certificate(content: CertificateContent): string {
  const publicKey = content.publicKey.export({ type: "spki", format: "der" });
  const keyId = createHash("sha1").update(publicKey).digest();
  const issuerId = createHash("sha1")
    .update(createPublicKey(content.issuerKey).export({ type: "spki", format: "der" }))
    .digest();
  const extensions = [
    extension("2.5.29.19", true, der(SEQUENCE, ...(content.isAuthority ? [BOOLEAN_TRUE] : []))),
    // keyCertSign and cRLSign for an authority, digitalSignature for a server.
    extension("2.5.29.15", true, der(0x03, Buffer.from(content.isAuthority ? [1, 0x06] : [7, 0x80]))),
    extension("2.5.29.14", false, der(0x04, keyId)),
    extension("2.5.29.35", false, der(SEQUENCE, der(0x80, issuerId))),
    ...(content.isAuthority
      ? []
      : [
          extension("2.5.29.37", false, der(SEQUENCE, identifier("1.3.6.1.5.5.7.3.1"))),
          extension("2.5.29.17", false, alternativeNames(content.hosts)),
        ]),
  ];
  const serial = randomBytes(12);
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    name(content.issuer),
    der(SEQUENCE, time(content.from), time(content.until)),
    name(content.subject),
    publicKey,
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
  const signature = sign("sha256", body, content.issuerKey);
  const whole = der(SEQUENCE, body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

const DAY = 86_400_000;

/** A certificate and its key for a listener on loopback, and the authority that a client has to trust. */
export interface ServerCertificate {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

interface Authority {
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
  readonly certificate: string;
}

let authorityOfProcess: Authority | undefined;
const AUTHORITY = "careconnect-conformance sandbox authority";

function authority(): Authority {
  if (authorityOfProcess === undefined) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    authorityOfProcess = {
      key: privateKey,
      publicKey,
      certificate: certificate({
        subject: AUTHORITY,
        issuer: AUTHORITY,
        publicKey,
        issuerKey: privateKey,
        from: new Date(Date.now() - DAY),
        until: new Date(Date.now() + 30 * DAY),
        isAuthority: true,
        hosts: [],
      }),
    };
  }
  return authorityOfProcess;
}

const remembered = new Map<Settings["certificate"], ServerCertificate>();

/**
 * A certificate for 127.0.0.1 and localhost, from an authority that lives as long as the process; or one that is wrong
 * in the stated way.
 */
export function serverCertificate(kind: Settings["certificate"]): ServerCertificate {
  const known = remembered.get(kind);
  if (known !== undefined) return known;
  const own = authority();
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isExpired = kind === "expired";
  const subject = "127.0.0.1";
  const isSelfSigned = kind === "self-signed";
  const made: ServerCertificate = {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificate: certificate({
      subject,
      issuer: isSelfSigned ? subject : AUTHORITY,
      publicKey,
      issuerKey: isSelfSigned ? privateKey : own.key,
      from: new Date(Date.now() - (isExpired ? 10 : 1) * DAY),
      until: new Date(Date.now() + (isExpired ? -1 : 10) * DAY),
      isAuthority: false,
      hosts: kind === "other-host" ? ["careconnect.example"] : ["127.0.0.1", "localhost"],
    }),
    authority: own.certificate,
  };
  remembered.set(kind, made);
  return made;
}
