import type { BearerToken, HttpRequest } from "../http/types.ts";

/** How a search is sent: its parameters in the URL, or as a form to `_search` (FHIR R4, http.html#search). */
export type SearchMethod = "GET" | "POST";

export const FHIR_JSON = "application/fhir+json";

/** Parameters of a search in order; a name may stand there several times. */
export type SearchParameters = readonly (readonly [name: string, value: string])[];

export interface SearchQuery {
  readonly type: string;
  readonly parameters: SearchParameters;
  /** Default GET. */
  readonly method?: SearchMethod;
  /** `Prefer: handling=…` (FHIR R4, search.html#errors). */
  readonly handling?: "strict" | "lenient";
  readonly accept?: string;
}

/** The query string of parameters, as the client writes it. Commas and bars stay readable; they need no escape. */
export function queryText(parameters: SearchParameters): string {
  return parameters.map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`).join("&");
}

function encodePart(text: string): string {
  return encodeURIComponent(text).replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
}

/** The request of a search (FHIR R4, http.html#search). A POST search changes nothing, so it may be repeated. */
export function searchRequest(
  base: string,
  query: SearchQuery,
  bearer: BearerToken | undefined,
  purpose: string,
): HttpRequest {
  const { type, parameters, method = "GET", handling, accept = FHIR_JSON } = query;
  const text = queryText(parameters);
  const shared = {
    ...(bearer === undefined ? {} : { bearer }),
    purpose,
    retry: "idempotent",
  } as const;
  const headers = { accept, ...(handling === undefined ? {} : { prefer: `handling=${handling}` }) };
  if (method === "POST") {
    return {
      ...shared,
      method,
      url: `${base}/${type}/_search`,
      headers,
      body: new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value])),
    };
  }
  return { ...shared, method, url: `${base}/${type}${text === "" ? "" : `?${text}`}`, headers };
}

/** The request of a read, a version's read or a history: a GET of a path below the base URL. */
export function getRequest(
  base: string,
  path: string,
  bearer: BearerToken | undefined,
  purpose: string,
  accept: string = FHIR_JSON,
): HttpRequest {
  return {
    method: "GET",
    url: `${base}/${path}`,
    headers: { accept },
    ...(bearer === undefined ? {} : { bearer }),
    purpose,
  };
}
