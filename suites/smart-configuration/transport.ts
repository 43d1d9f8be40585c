import { connect, rootCertificates, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";

const TIMEOUT_MS = 10_000;

type Handshake =
  | { readonly done: true; readonly protocol: string }
  | { readonly done: false; readonly code: string; readonly message: string };

/** The host does not speak TLS 1.0 or 1.1 (SMART: TLS 1.2 or more recent). */
export const oldTlsRefused: Procedure = async (context) => {
  const place = httpsPlace(context);
  const handshake = await shakeHands(context, {
    minVersion: "TLSv1",
    maxVersion: "TLSv1.1",
    // OpenSSL 3 offers these versions at security level 0 only.
    ciphers: "DEFAULT@SECLEVEL=0",
    rejectUnauthorized: false,
  });
  if (handshake.done) {
    return [
      {
        code: "tls.version",
        expected: "TLS 1.2 or later only",
        actual: `a connection with ${handshake.protocol}`,
        location: place,
      },
    ];
  }
  if (/NO_PROTOCOLS_AVAILABLE|NO_CIPHERS_AVAILABLE|UNSUPPORTED_PROTOCOL_VERSION/.test(handshake.code)) {
    throw new NotApplicable("this machine's TLS library cannot offer TLS 1.0 or 1.1 any more");
  }
  return [];
};

/** The certificate is in its time, names the host, and leads to a trusted authority (FHIR §security.http). */
export const trustedCertificate: Procedure = async (context) => {
  const place = httpsPlace(context);
  const handshake = await shakeHands(context, { rejectUnauthorized: true });
  if (handshake.done) return [];
  return [
    {
      code: CERTIFICATE_ERROR.test(handshake.code) ? "tls.certificate" : "tls.handshake",
      expected: "a valid certificate for this host from a trusted authority",
      actual: `${handshake.message} (${handshake.code})`,
      location: place,
    },
  ];
};

/** Codes of OpenSSL's certificate verification and of Node's host name check. */
const CERTIFICATE_ERROR = /CERT|CA_|ALTNAME|SELF_SIGNED|ISSUER|CRL|CHAIN|LEAF_SIGNATURE/;

function httpsPlace(context: CheckContext): string {
  const base = new URL(context.target.base);
  if (base.protocol !== "https:") throw new NotApplicable("the base URL is plain http on loopback");
  return `${base.hostname}:${base.port === "" ? "443" : base.port}`;
}

async function shakeHands(context: CheckContext, options: ConnectionOptions): Promise<Handshake> {
  const { hostname, port } = new URL(context.target.base);
  const host = hostname.replace(/^\[|\]$/g, "");
  const authority = context.certificateAuthority;
  return await new Promise((resolve) => {
    let socket: TLSSocket;
    const end = (handshake: Handshake) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(handshake);
    };
    const fail = (error: NodeJS.ErrnoException) =>
      end({ done: false, code: error.code ?? "ERROR", message: error.message.split("\n")[0] ?? "" });
    const timer = setTimeout(
      () => end({ done: false, code: "TIMEOUT", message: "no answer to the handshake" }),
      TIMEOUT_MS,
    );
    try {
      socket = connect({
        host,
        port: port === "" ? 443 : Number(port),
        // An IP address is no server name (RFC 6066 section 3).
        ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
        ...(authority === undefined ? {} : { ca: [...rootCertificates, authority] }),
        ...options,
      });
    } catch (error) {
      clearTimeout(timer);
      resolve({
        done: false,
        code: (error as NodeJS.ErrnoException).code ?? "ERROR",
        message: (error as Error).message,
      });
      return;
    }
    socket.once("secureConnect", () =>
      end({ done: true, protocol: socket.getProtocol() ?? "an unknown version" }),
    );
    socket.once("error", fail);
    socket.once("close", () => fail(new Error("the connection was closed")));
  });
}
