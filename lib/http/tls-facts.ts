import type { PeerCertificate, TLSSocket } from "node:tls";
import type { TlsFacts } from "./types.ts";

/** What a finished handshake says about protocol, cipher and certificate. */
export function readTlsFacts(socket: TLSSocket): TlsFacts {
  const certificate = socket.getPeerCertificate();
  const error: unknown = socket.authorizationError;
  const subject = nameOf(certificate.subject);
  const issuer = nameOf(certificate.issuer);
  const validFrom = isoDate(certificate.valid_from);
  const validTo = isoDate(certificate.valid_to);
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: socket.getCipher()?.standardName ?? socket.getCipher()?.name ?? "unknown",
    authorized: socket.authorized,
    ...(socket.authorized ? {} : { authorizationError: describe(error) }),
    ...(subject === undefined ? {} : { subject }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validTo === undefined ? {} : { validTo }),
  };
}

function describe(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return error.code;
  return typeof error === "string" ? error : "unknown";
}

function nameOf(name: PeerCertificate["subject"] | undefined): string | undefined {
  const parts = Object.entries(name ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  return parts.length === 0 ? undefined : parts.join(", ");
}

function isoDate(text: string | undefined): string | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
