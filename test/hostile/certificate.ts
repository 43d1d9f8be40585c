import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";

/** A certificate in PEM and its private key. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a self-signed certificate for 127.0.0.1 and localhost (RFC 5280), so that no key has to lie in the repository.
 */
export function makeCertificate(validity: { readonly from: Date; readonly to: Date }): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const sha256WithRsa = sequence(Buffer.from("06092a864886f70d01010b0500", "hex"));
  const name = sequence(element(0x31, sequence(oid("550403"), element(0x0c, Buffer.from("Hostile Test")))));
  const subjectAltName = sequence(
    element(0x82, Buffer.from("localhost")),
    element(0x87, Buffer.from([127, 0, 0, 1])),
  );
  const extensions = sequence(
    sequence(oid("551d11"), element(0x04, subjectAltName)),
    sequence(
      oid("551d13"),
      element(0x01, Buffer.from([0xff])),
      element(0x04, sequence(element(0x01, Buffer.from([0xff])))),
    ),
  );
  const body = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.from([0x11, 0x22, 0x33])),
    sha256WithRsa,
    name,
    sequence(time(validity.from), time(validity.to)),
    name,
    publicKey,
    element(0xa3, extensions),
  );
  const signature = sign("sha256", body, createPrivateKey(privateKey));
  const der = sequence(body, sha256WithRsa, element(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey,
  };
}

/** One element of ASN.1 in DER: tag, length, content (X.690). */
function element(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...contents: Buffer[]): Buffer {
  return element(0x30, ...contents);
}

function oid(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, "hex"));
}

function time(date: Date): Buffer {
  return element(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`));
}
