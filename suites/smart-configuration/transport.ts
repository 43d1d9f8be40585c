import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { probeTls } from "../../lib/http/tls-probe.ts";
import type { TlsFacts } from "../../lib/http/types.ts";

type Version = Parameters<typeof probeTls>[1]["version"];

const OLD_VERSIONS: readonly Version[] = ["TLSv1", "TLSv1.1"];
const NEW_VERSIONS: readonly Version[] = ["TLSv1.3", "TLSv1.2"];

/** The host does not speak TLS 1.0 or 1.1 (SMART: TLS 1.2 or more recent). */
export const oldTlsRefused: Procedure = async (context) => {
  const origin = httpsOrigin(context);
  const findings: Finding[] = [];
  const unknown: string[] = [];
  for (const version of OLD_VERSIONS) {
    const probe = await offer(context, origin, version);
    if (probe.result === "unknown") unknown.push(probe.reason);
    if (probe.result !== "accepted") continue;
    findings.push({
      code: "tls.version",
      expected: `${version} to be refused`,
      actual: `a connection with ${probe.tls.protocol}`,
      location: origin,
    });
  }
  // A version that could not be offered says nothing; one that was accepted says all.
  if (findings.length === 0 && unknown.length > 0) throw new Blocked(unknown.join("; "));
  return findings;
};

/** The certificate is in its time, names the host, and leads to a trusted authority (FHIR §security.http). */
export const trustedCertificate: Procedure = async (context) => {
  const origin = httpsOrigin(context);
  const { authorized, authorizationError, subject, issuer, validTo } = await connection(context, origin);
  if (authorized) return [];
  const about = [
    subject === undefined ? "" : `for ${subject}`,
    issuer === undefined ? "" : `from ${issuer}`,
    validTo === undefined ? "" : `valid until ${validTo}`,
  ].filter((part) => part !== "");
  return [
    {
      code: "tls.certificate",
      expected: `a valid certificate for ${new URL(origin).hostname} from a trusted authority`,
      actual: `${authorizationError ?? "a certificate that is not trusted"} (${about.join(", ")})`,
      location: origin,
    },
  ];
};

async function connection(context: CheckContext, origin: string): Promise<TlsFacts> {
  const reasons: string[] = [];
  for (const version of NEW_VERSIONS) {
    const probe = await offer(context, origin, version);
    if (probe.result === "accepted") return probe.tls;
    reasons.push(`${version}: ${probe.reason}`);
  }
  throw new Blocked(`no TLS connection could be made (${reasons.join("; ")})`, "smart-configuration.served");
}

function offer(context: CheckContext, origin: string, version: Version) {
  const ca = context.certificateAuthority;
  return probeTls(origin, { version, ...(ca === undefined ? {} : { ca }) });
}

function httpsOrigin(context: CheckContext): string {
  const { protocol, origin } = new URL(context.target.base);
  if (protocol !== "https:") throw new NotApplicable("the base URL is plain http on loopback");
  return origin;
}
