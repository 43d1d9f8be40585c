import { isIP } from "node:net";
import { connect, rootCertificates, type ConnectionOptions, type SecureVersion } from "node:tls";
import { codeOf } from "./failures.ts";
import { readTlsFacts } from "./tls-facts.ts";
import type { TlsFacts } from "./types.ts";

/** What became of a handshake that offered one version of TLS and no other. */
export type TlsProbe =
  | { readonly version: SecureVersion; readonly result: "accepted"; readonly tls: TlsFacts }
  | { readonly version: SecureVersion; readonly result: "refused"; readonly reason: string }
  /** Nothing can be said: the server is out of reach, or this client cannot speak the version. */
  | { readonly version: SecureVersion; readonly result: "unknown"; readonly reason: string };

/** Codes that say that the offer was turned down by an alert of the server (RFC 8446 section 6). */
const refusals =
  /^ERR_SSL_(?:TLSV1_ALERT_PROTOCOL_VERSION|TLSV1_ALERT_INSUFFICIENT_SECURITY|TLSV1_ALERT_INTERNAL_ERROR|SSLV3_ALERT_HANDSHAKE_FAILURE|SSL\/TLS_ALERT_HANDSHAKE_FAILURE|ALERT_.*|TLS_ALERT_.*)$/;
/** Codes that say that this client cannot make the offer. */
const cannotOffer = /^ERR_SSL_NO_(?:PROTOCOLS_AVAILABLE|CIPHERS_AVAILABLE|CIPHER_MATCH)$/;
/** The server ended the connection instead of answering. */
const endings = new Set(["ECONNRESET", "EPIPE"]);

/**
 * Tells whether a server accepts a handshake of exactly one version of TLS. The certificate does not matter here.
 * @param origin of an https URL
 * @param options.version for example `TLSv1.1`
 * @param options.timeoutMs bound on each handshake; two may be needed
 */
export async function probeTls(
  origin: string,
  options: { readonly version: SecureVersion; readonly ca?: string; readonly timeoutMs?: number },
): Promise<TlsProbe> {
  const { version } = options;
  const url = new URL(origin);
  if (url.protocol !== "https:") return { version, result: "unknown", reason: "not an https URL" };
  const old = version === "TLSv1" || version === "TLSv1.1";
  const ended = await shakeHands(url, options, {
    minVersion: version,
    maxVersion: version,
    // OpenSSL 3 offers the old versions only at security level 0.
    ...(old ? { ciphers: "ALL:@SECLEVEL=0" } : {}),
  });
  if ("tls" in ended) return { version, result: "accepted", tls: ended.tls };
  if (cannotOffer.test(ended.code))
    return { version, result: "unknown", reason: `this client cannot offer ${version} (${ended.code})` };
  // OpenSSL reports an answer of another version under this name: the server does not speak the one asked for.
  const refused = refusals.test(ended.code) || /UNSUPPORTED_PROTOCOL|WRONG_VERSION/.test(ended.code);
  if (refused) return { version, result: "refused", reason: ended.code };
  if (!endings.has(ended.code)) return { version, result: "unknown", reason: ended.code };
  const control = await shakeHands(url, options, {});
  return "tls" in control
    ? { version, result: "refused", reason: "the server ends the connection, but accepts another version" }
    : { version, result: "unknown", reason: `the server ends every connection (${control.code})` };
}

async function shakeHands(
  url: URL,
  options: { readonly ca?: string; readonly timeoutMs?: number },
  versions: Pick<ConnectionOptions, "minVersion" | "maxVersion" | "ciphers">,
): Promise<{ readonly tls: TlsFacts } | { readonly code: string }> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    let socket: ReturnType<typeof connect>;
    try {
      socket = connect({
        host,
        port: Number(url.port) || 443,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(options.ca === undefined ? {} : { ca: [...rootCertificates, options.ca] }),
        rejectUnauthorized: false,
        ...versions,
      });
    } catch (error) {
      resolve({ code: codeOf(error) });
      return;
    }
    const timer = setTimeout(() => finish({ code: "ETIMEDOUT" }), options.timeoutMs ?? 10_000);
    const finish = (outcome: { readonly tls: TlsFacts } | { readonly code: string }): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    socket.once("secureConnect", () => finish({ tls: readTlsFacts(socket) }));
    socket.on("error", (error) => finish({ code: codeOf(error) }));
    socket.once("close", () => finish({ code: "ECONNRESET" }));
  });
}
