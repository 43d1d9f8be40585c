/** Synthetic results directories: every status, evidence beside them, as a run of the harness leaves them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckResult, ResultFinding, RunDescription } from "../../lib/checks/results.ts";
import { STATUSES } from "../../lib/checks/verdict.ts";
import type { Status } from "../../lib/checks/verdict.ts";

const BASE = "https://fhir.example.org/provider/patient-access/v2/6f1d3c5e-0000-4000-8000-000000000001";

export interface FixtureOptions {
  readonly run?: string;
  readonly tenant?: string;
  readonly tenantName?: string;
  readonly environment?: string;
  readonly startedAt?: string;
  readonly state?: RunDescription["state"];
  readonly failOn?: RunDescription["failOn"];
  readonly planned?: number;
  readonly evidence?: RunDescription["evidence"];
}

/** Writes `run.json`, `results.ndjson` and the evidence that the results refer to. */
export function writeResultsFolder(
  folder: string,
  results: readonly CheckResult[],
  options: FixtureOptions = {},
): void {
  mkdirSync(join(folder, "evidence"), { recursive: true });
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const { status } of results) counts[status]++;
  const apis = [...new Set(results.map(({ api }) => api))];
  const startedAt = options.startedAt ?? "2026-11-22T06:00:00.000Z";
  const run: RunDescription = {
    schema: 1,
    run: options.run ?? "run-1",
    tenant: options.tenant ?? "riverside",
    tenantName: options.tenantName ?? "Riverside Behavioral Health",
    environment: options.environment ?? "preview",
    targets: apis.map((api) => ({
      api,
      title: apiTitle(api),
      base: BASE.replace("provider/patient-access", api),
    })),
    selection: { apis: [], suites: [], checks: [] },
    notAsked: [
      { api: "v1-patient-access", suite: "bulk-export", reason: "this API offers no export", checks: 12 },
    ],
    startedAt,
    ...(options.state === "running" ? {} : { endedAt: "2026-11-22T06:01:12.000Z" }),
    state: options.state ?? "complete",
    planned: options.planned ?? results.length,
    counts,
    evidence: options.evidence ?? "masked",
    failOn: options.failOn ?? "fail",
    harness: { name: "careconnect-conformance", version: "0.1.0", node: "20.20.0" },
    digests: { configuration: "sha256:0001" },
    reproduce: "careconnect-conformance run --tenant riverside --environment preview",
  };
  writeFileSync(join(folder, "run.json"), JSON.stringify(run));
  writeFileSync(
    join(folder, "results.ndjson"),
    results
      .map(
        (result) =>
          `${JSON.stringify({ ...result, run: run.run, tenant: run.tenant, environment: run.environment })}\n`,
      )
      .join(""),
  );
}

function apiTitle(api: string): string {
  return (
    {
      "provider-patient-access": "Provider, patient access",
      "provider-system-access": "Provider, system access",
    }[api] ?? api
  );
}

/** A verdict with sensible words for its status. */
export function verdict(check: string, status: Status, more: Partial<CheckResult> = {}): CheckResult {
  const suite = check.split(".")[0] ?? check;
  const failing = status === "fail" || status === "warn" || status === "info";
  return {
    schema: 1,
    run: "run-1",
    tenant: "riverside",
    environment: "preview",
    api: "provider-patient-access",
    check,
    suite,
    suiteTitle:
      suite === "smart-configuration"
        ? "SMART configuration"
        : suite === "capability-statement"
          ? "CapabilityStatement"
          : suite,
    title: `About ${check}`,
    level: status === "warn" ? "SHOULD" : status === "info" ? "MAY" : "SHALL",
    requirements: [
      {
        id: "smart-app-launch-2.0.0#14",
        url: "https://hl7.org/fhir/smart-app-launch/STU2/conformance.html",
        conformance: "SHALL",
      },
    ],
    status,
    findings: failing ? [finding()] : [],
    summary: failing
      ? "S256 was expected among the code challenge methods; only plain was seen."
      : "As expected.",
    ...(failing ? { remedy: "Offer S256 in code_challenge_methods_supported and take plain out." } : {}),
    ...(status === "blocked"
      ? { reason: "the SMART configuration could not be read", blockedBy: "smart-configuration.served" }
      : {}),
    ...(status === "not-applicable" ? { reason: "the tenant does not offer OpenID Connect" } : {}),
    ...(status === "error" ? { reason: "the check file names a procedure that does not exist" } : {}),
    startedAt: "2026-11-22T06:00:01.000Z",
    durationMs: 42,
    exchanges: [],
    ...more,
  };
}

export function finding(more: Partial<ResultFinding> = {}): ResultFinding {
  return {
    code: "json.value",
    expected: "an array with S256 and without plain",
    actual: '["plain"]',
    location: "/code_challenge_methods_supported",
    message: "code_challenge_methods_supported holds only plain",
    ...more,
  };
}

/** Writes one exchange and returns its id. */
export function writeExchange(
  folder: string,
  id: string,
  body: string,
  more: Record<string, unknown> = {},
): string {
  mkdirSync(join(folder, "evidence"), { recursive: true });
  const exchange = {
    id,
    purpose: "read the SMART configuration",
    startedAt: "2026-11-22T06:00:01.000Z",
    durationMs: 38,
    attempt: 1,
    request: {
      method: "GET",
      url: `${BASE}/.well-known/smart-configuration`,
      headers: [
        ["accept", "application/json"],
        ["authorization", "Bearer [redacted]"],
      ],
    },
    response: {
      status: 200,
      headers: [["content-type", "application/json"]],
      body: { mediaType: "application/json", bytes: Buffer.byteLength(body), text: body, truncated: false },
    },
    tls: { protocol: "TLSv1.3" },
    ...more,
  };
  writeFileSync(join(folder, "evidence", `${id}.json`), JSON.stringify(exchange));
  return id;
}

/** A results directory with every status in it, several APIs, rows of generated checks, and evidence. */
export function writeSampleRun(folder: string, options: FixtureOptions = {}): CheckResult[] {
  const configuration = JSON.stringify(
    {
      issuer: "https://fhir.example.org/auth/6f1d3c5e",
      authorization_endpoint: "https://fhir.example.org/auth/6f1d3c5e/oauth2/v1/authorize",
      token_endpoint: "https://fhir.example.org/auth/6f1d3c5e/oauth2/v1/token",
      code_challenge_methods_supported: ["plain"],
      capabilities: ["launch-standalone", "client-public"],
    },
    null,
    2,
  );
  const served = writeExchange(folder, "ex-1", configuration);
  const other = writeExchange(folder, "ex-2", '{"resourceType":"OperationOutcome"}', {
    request: {
      method: "GET",
      url: `${BASE}/metadata?_format=xml`,
      headers: [["accept", "application/fhir+xml"]],
    },
    response: {
      status: 500,
      headers: [["content-type", "text/html"]],
      body: {
        mediaType: "text/html",
        bytes: 60,
        text: "<html><body><script>alert(1)</script>Oops</body></html>",
      },
    },
  });
  const lost = writeExchange(folder, "ex-3", "", {
    request: { method: "GET", url: `${BASE}/Patient/1`, headers: [] },
    response: undefined,
    failure: { code: "timeout-headers", message: "no answer within 30 s" },
  });
  const results: CheckResult[] = [
    verdict("smart-configuration.served", "pass", {
      title: "The SMART configuration is served without a token",
      exchanges: [served],
    }),
    verdict("smart-configuration.pkce-s256", "fail", {
      title: "PKCE with S256 is offered, plain is not",
      findings: [finding({ exchange: served })],
      exchanges: [served],
    }),
    verdict("smart-configuration.scopes-supported", "warn", {
      title: "The supported scopes are listed",
      summary: "A list of scopes was expected; the field is missing.",
      remedy: "Add scopes_supported to the configuration.",
      findings: [
        finding({
          code: "json.missing",
          expected: "a list of scopes",
          actual: "no such field",
          location: "/scopes_supported",
          message: "scopes_supported is missing",
          exchange: served,
        }),
      ],
      exchanges: [served],
    }),
    verdict("smart-configuration.management-endpoint", "info", {
      title: "A management endpoint is offered",
      findings: [
        finding({
          code: "json.missing",
          expected: "an address",
          actual: "no such field",
          message: "management_endpoint is missing",
        }),
      ],
      summary: "No management endpoint is offered.",
    }),
    verdict("smart-configuration.jwks-usable", "not-applicable", { title: "The key set is usable" }),
    verdict("capability-statement.formats-served", "fail", {
      title: "JSON and XML are served as declared",
      requirements: [
        {
          id: "us-core-6.1.0#3",
          url: "https://hl7.org/fhir/us/core/STU6.1/general-requirements.html",
          conformance: "SHALL",
        },
      ],
      summary: "XML is declared, but the answer to a request for XML was an HTML page with status 500.",
      remedy: "Serve XML or take it out of the declared formats.",
      findings: [
        finding({
          code: "http.status",
          expected: "200",
          actual: "500",
          location: "status",
          message: "The CapabilityStatement was answered with status 500",
          exchange: other,
        }),
        finding({
          code: "http.media-type",
          expected: "application/fhir+xml",
          actual: "text/html",
          location: "content-type",
          message: "The CapabilityStatement was answered as text/html",
          exchange: other,
        }),
      ],
      exchanges: [served, other],
    }),
    verdict("capability-statement.spot-read", "blocked", {
      title: "A Patient can be read",
      exchanges: [lost],
    }),
    verdict("capability-statement.search-parameter:Patient.name", "pass", {
      title: "Patient can be searched by name",
      exchanges: [served],
    }),
    verdict("capability-statement.search-parameter:Patient.birthdate", "fail", {
      title: "Patient can be searched by birthdate",
      summary: "The search parameter birthdate was expected on Patient; it is not declared.",
      remedy: "Declare and support the search parameter birthdate on Patient.",
      findings: [
        finding({
          code: "capability.missing",
          expected: "search parameter birthdate",
          actual: "not declared",
          location: "/rest/0/resource/12",
          message: "Patient lacks the search parameter birthdate",
        }),
      ],
    }),
    verdict("capability-statement.digest", "error", { title: "The statement can be compared" }),
    verdict("bulk-export.kick-off", "pass", {
      api: "provider-system-access",
      title: "A Group export starts",
      suiteTitle: "Bulk Data export",
    }),
    verdict("bulk-export.gzip", "blocked", {
      api: "provider-system-access",
      title: "Files are served compressed",
      suiteTitle: "Bulk Data export",
      reason: "no group is configured for this tenant",
    }),
  ];
  writeResultsFolder(folder, results, options);
  return results;
}
