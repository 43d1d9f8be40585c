import type { HttpRequest } from "../http/types.ts";

/** What is exported: everything, all patients, or the patients of a group (Bulk Data 2.0.0 §kick-off, endpoints). */
type ExportLevel =
  | { readonly kind: "system" }
  | { readonly kind: "patient" }
  | { readonly kind: "group"; readonly id: string };

/** Parameters in the order in which they are sent; a name may stand several times. */
export type ExportParameters = readonly (readonly [name: string, value: string])[];

/** A request to start an export. */
export interface KickOff {
  readonly level: ExportLevel;
  readonly parameters?: ExportParameters;
  /** With POST the parameters go into a Parameters resource. Default GET. */
  readonly method?: "GET" | "POST";
  /** Headers over `Accept: application/fhir+json` and `Prefer: respond-async`; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** The member of a Parameters resource that holds a parameter's value (the OperationDefinitions of Bulk Data 2.0.0). */
const VALUE: Readonly<Record<string, string>> = {
  _since: "valueInstant",
  patient: "valueReference",
  includeAssociatedData: "valueCode",
};

/** The URL of a kick-off without its parameters. */
function kickOffUrl(base: string, level: ExportLevel): string {
  switch (level.kind) {
    case "system":
      return `${base}/$export`;
    case "patient":
      return `${base}/Patient/$export`;
    case "group":
      return `${base}/Group/${encodeURIComponent(level.id)}/$export`;
  }
}

/** The request that starts an export, without a token (Bulk Data 2.0.0 §kick-off request). Sent once only. */
export function kickOffRequest(base: string, kickOff: KickOff): HttpRequest {
  const { parameters = [], method = "GET" } = kickOff;
  const url = kickOffUrl(base, kickOff.level);
  const posts = method === "POST";
  const headers = Object.entries({
    accept: "application/fhir+json",
    prefer: "respond-async",
    ...(posts ? { "content-type": "application/fhir+json" } : {}),
    ...kickOff.headers,
  }).filter((header): header is [string, string] => header[1] !== null);
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return {
    method,
    url: posts || query === "" ? url : `${url}?${query}`,
    headers,
    // An export costs the server much: it is not asked for a second time because an answer was lost.
    retry: "never",
    ...(posts ? { body: JSON.stringify(parametersResource(parameters)) } : {}),
  };
}

function parametersResource(parameters: ExportParameters): object {
  return {
    resourceType: "Parameters",
    parameter: parameters.map(([name, value]) => {
      const member = VALUE[name] ?? "valueString";
      return { name, [member]: member === "valueReference" ? { reference: value } : value };
    }),
  };
}

/** A kick-off in a few words, for the purpose of a request: `export of a group with _type`. */
export function describeKickOff({ level, parameters = [], method = "GET" }: KickOff): string {
  const what = { system: "everything", patient: "all patients", group: "a group" }[level.kind];
  const names = [...new Set(parameters.map(([name]) => name))];
  const withNames = names.length === 0 ? "" : ` with ${names.join(", ")}`;
  return `export of ${what}${withNames}${method === "POST" ? " by POST" : ""}`;
}
