import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { smartConfiguration } from "../../lib/checks/facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { sameUrl } from "../../lib/checks/urls.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { publicKeysOnly, rs256Key, usableKeys } from "./keys.ts";
import { oldTlsRefused, trustedCertificate } from "./transport.ts";

interface CapabilitySet {
  readonly name: string;
  /** Of each group the server has to have at least one. */
  readonly groups: readonly (readonly string[])[];
}

const CLIENTS = ["client-public", "client-confidential-symmetric"];

/** SMART App Launch 2.0.0, Conformance §capability-sets. */
const CAPABILITY_SETS: readonly CapabilitySet[] = [
  {
    name: "patient access for standalone apps",
    groups: [["launch-standalone"], CLIENTS, ["context-standalone-patient"], ["permission-patient"]],
  },
  {
    name: "patient access for EHR launch",
    groups: [["launch-ehr"], CLIENTS, ["context-ehr-patient"], ["permission-patient"]],
  },
  {
    name: "clinician access for standalone apps",
    groups: [["launch-standalone"], CLIENTS, ["permission-user"], ["permission-patient"]],
  },
  {
    name: "clinician access for EHR launch",
    groups: [
      ["launch-ehr"],
      CLIENTS,
      ["context-ehr-patient"],
      ["context-ehr-encounter"],
      ["permission-user"],
      ["permission-patient"],
    ],
  },
];

interface Configuration {
  readonly members: Readonly<Record<string, unknown>>;
  readonly exchange: { readonly exchange?: string };
}

async function configurationOf(context: CheckContext): Promise<Configuration> {
  const { json, exchange } = await context.fact(smartConfiguration);
  return { members: isObject(json) ? json : {}, exchange: exchange === undefined ? {} : { exchange } };
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((member) => typeof member === "string") : [];
}

/** At least one capability set is complete. */
const capabilitySet: Procedure = async (context) => {
  const { members, exchange } = await configurationOf(context);
  const capabilities = strings(members["capabilities"]);
  const lacks = CAPABILITY_SETS.map(({ name, groups }) => ({
    name,
    lacking: groups.filter((group) => !group.some((one) => capabilities.includes(one))),
  }));
  if (lacks.some(({ lacking }) => lacking.length === 0)) return [];
  const nearest = lacks.toSorted((a, b) => a.lacking.length - b.lacking.length)[0];
  return [
    {
      code: "smart.capability-set",
      expected: "all capabilities of one of the four sets",
      actual: `nearest is ${nearest?.name}, without ${nearest?.lacking.map((group) => group.join(" or ")).join(", ")}`,
      location: "/capabilities",
      ...exchange,
    },
  ];
};

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
/** Where the vendor's URLs have a tenant: after `auth/` and after `v2/`. */
const TENANT_IN_PATH = new RegExp(`/(?:auth|v2)/(${UUID})(?=[/?#]|$)`, "gi");

/** No URL of the configuration has another tenant's UUID where the vendor's URLs have the tenant. */
const endpointsOfOwnTenant: Procedure = async (context) => {
  const own = context.target.uuid?.toLowerCase();
  if (own === undefined) throw new NotApplicable("the target has no tenant UUID");
  const { members, exchange } = await configurationOf(context);
  const findings: Finding[] = [];
  for (const [name, value] of Object.entries(members)) {
    // Associated endpoints are other services by definition.
    if (typeof value !== "string") continue;
    const others = [...value.matchAll(TENANT_IN_PATH)]
      .map((match) => match[1]?.toLowerCase() ?? "")
      .filter((uuid) => uuid !== own);
    for (const uuid of others) {
      findings.push({
        code: "smart.other-tenant",
        expected: `the tenant ${own}`,
        actual: `the tenant ${uuid}`,
        location: `/${name}`,
        ...exchange,
      });
    }
  }
  return findings;
};

/** The configuration of a second tenant names other endpoints. */
const otherTenantDiffers: Procedure = async (context) => {
  const { otherTenant, baseOf } = context.target;
  if (otherTenant === undefined || baseOf === undefined) {
    throw new NotApplicable("the tenant's file names no otherTenant to compare with");
  }
  const own = await configurationOf(context);
  const response = await context.send({
    method: "GET",
    url: `${baseOf(otherTenant)}/.well-known/smart-configuration`,
    headers: { accept: "application/json" },
    purpose: "the SMART configuration of another tenant",
  });
  const other = subjectOf("the SMART configuration of another tenant", response);
  if (response.status !== 200 || !isObject(other.json)) {
    throw new NotApplicable(
      `the other tenant has no readable configuration here (status ${response.status})`,
    );
  }
  const findings: Finding[] = [];
  for (const name of ["authorization_endpoint", "token_endpoint", "issuer"]) {
    const mine = own.members[name];
    const theirs = other.json[name];
    if (typeof mine !== "string" || typeof theirs !== "string" || !sameUrl(mine, theirs)) continue;
    findings.push({
      code: "smart.shared-endpoint",
      expected: `another ${name} for another tenant`,
      actual: JSON.stringify(theirs),
      location: `/${name}`,
      exchange: response.exchange,
    });
  }
  return findings;
};

/** Clinical scopes of the kind of access that the API gives are among those listed. */
const scopesOfAccess: Procedure = async (context) => {
  const { members, exchange } = await configurationOf(context);
  const scopes = strings(members["scopes_supported"]);
  const kinds = context.target.access === "system" ? ["system"] : ["patient", "user"];
  if (scopes.some((scope) => kinds.some((kind) => scope.startsWith(`${kind}/`)))) return [];
  return [
    {
      code: "smart.scopes",
      expected: `a scope that starts with ${kinds.map((kind) => `${kind}/`).join(" or ")}`,
      actual: `none among ${scopes.length} scopes`,
      location: "/scopes_supported",
      ...exchange,
    },
  ];
};

/** What data cannot say about a SMART configuration. */
export const procedures: Readonly<Record<string, Procedure>> = {
  capabilitySet,
  endpointsOfOwnTenant,
  oldTlsRefused,
  otherTenantDiffers,
  publicKeysOnly,
  rs256Key,
  scopesOfAccess,
  trustedCertificate,
  usableKeys,
};
