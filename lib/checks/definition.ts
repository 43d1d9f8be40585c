import type { RequirementReference } from "./results.ts";
import type { Level } from "./verdict.ts";

/** Which targets a suite or a check is asked of; every member that is given must hold. */
export interface Applies {
  readonly apis?: readonly string[];
  /** The API promises at least one of these standards. */
  readonly standards?: readonly string[];
  readonly access?: readonly ("patient" | "system" | "public")[];
  readonly authorization?: readonly ("authorization-code" | "client-credentials" | "none")[];
  readonly generation?: readonly ("v1" | "v2")[];
  readonly party?: readonly ("provider" | "payer")[];
  /** Only where the URLs have the vendor's form, since the vendor alone promises it. */
  readonly vendor?: true;
  /** Only where the base URL has a tenant in it. */
  readonly tenantInUrl?: true;
}

/** What to compare a selected value with, by FHIR's and RFC 3986's idea of equality where `as` says so. */
export interface SameAs {
  /** Fact to compare with. */
  readonly fact: string;
  /** Path into that fact. */
  readonly at: string;
  /** `url`: scheme and host without regard to case, default port and one trailing slash ignored. */
  readonly as?: "url";
  /** When nothing stands there, the expectation is passed over. */
  readonly optional?: true;
}

export interface UrlRules {
  readonly absolute?: true;
  /** https; plain http is accepted only on a loopback address. */
  readonly secure?: true;
  /** The URL starts with this (placeholders allowed), compared as URLs. */
  readonly within?: string;
  readonly withoutFragment?: true;
}

/** An operator on the values at a path of a JSON document. */
export interface ValueExpectation {
  /** JSON pointer, with `*` and `[key=value]`; the document itself when absent. */
  readonly at?: string;
  /** What was to be seen, in plain words; made from the operator when absent. */
  readonly expected?: string;
  /** Pass over the expectation when nothing stands at the path. */
  readonly optional?: true;
  readonly exists?: boolean;
  readonly equals?: unknown;
  readonly oneOf?: readonly unknown[];
  readonly contains?: unknown;
  readonly containsAny?: readonly unknown[];
  readonly excludes?: unknown;
  readonly matches?: string;
  readonly schema?: object;
  readonly url?: UrlRules;
  readonly sameAs?: SameAs;
}

export interface HeaderExpectation {
  readonly header: string;
  readonly expected?: string;
  readonly optional?: true;
  readonly exists?: boolean;
  readonly mediaType?: string | readonly string[];
  readonly equals?: string;
  readonly oneOf?: readonly string[];
  readonly matches?: string;
  /** A member of a comma-separated list, without regard to case. */
  readonly contains?: string;
}

export interface StatusExpectation {
  readonly status: number | readonly number[];
  readonly expected?: string;
}

export interface BodyExpectation {
  /** `json-object`, or a FHIR resource of the given type as JSON. */
  readonly body: "json" | "json-object" | `fhir:${string}` | "empty";
  readonly expected?: string;
}

export type Expectation = ValueExpectation | HeaderExpectation | StatusExpectation | BodyExpectation;

/** A condition: when it does not hold, the check is not applicable. */
export interface Condition extends ValueExpectation {
  /** Fact the condition looks at; the check's own `given` when absent. */
  readonly fact?: string;
  /** Why the check is not applicable when the condition does not hold. */
  readonly otherwise: string;
}

export interface RequestSpecification {
  readonly get?: string;
  readonly post?: string;
  readonly options?: string;
  readonly head?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** `none`: no token is sent. */
  readonly authorization?: "none";
  readonly redirect?: "follow" | "manual";
}

/** The fault of the sandbox that proves a check, and the finding it must lead to. */
export interface Proof {
  readonly id: string;
  readonly finding: string;
}

/** One check as a suite file says it, rows expanded. */
export interface CheckDefinition {
  /** `<suite>.<name>`, never changes. */
  readonly id: string;
  readonly suite: string;
  readonly suiteTitle: string;
  /** What sort of question it is: `search`, `read` …; rows of one entry share it. */
  readonly kind?: string;
  /** Short name of the profile it is about. */
  readonly profile?: string;
  readonly title: string;
  readonly level: Level;
  readonly requirements: readonly RequirementReference[];
  readonly proofs: readonly Proof[];
  /** Whether the sandbox has to serve TLS for this check to be provable. */
  readonly sandbox?: { readonly tls?: true };
  readonly remedy: string;
  readonly applies: Applies;
  readonly when: readonly Condition[];
  readonly given?: string;
  readonly request?: RequestSpecification;
  readonly expect: readonly Expectation[];
  readonly procedure?: string;
  readonly with: Readonly<Record<string, unknown>>;
  /** Where it is defined, such as `suites/smart-configuration/checks.yaml:41`. */
  readonly source: string;
}

export interface SuiteDefinition {
  readonly id: string;
  /** Where it is defined: `suites/<suite>/checks.yaml` and what stands beside it. */
  readonly files: readonly string[];
  readonly title: string;
  readonly description?: string;
  readonly applies: Applies;
  readonly checks: readonly CheckDefinition[];
}
