import type { SandboxRequest } from "../exchange.ts";
import { each, isObject, type Json, type JsonObject } from "../json.ts";

/** Something of a kick-off that cannot be done as it was asked. */
export interface Problem {
  readonly text: string;
  /** Left out, with a message about it, when the client asks for leniency (`Prefer: handling=lenient`). */
  readonly isForgivable: boolean;
}

/** What the headers of a kick-off prefer (RFC 7240; FHIR R4, 3.1.1.1.5). */
export interface Preferences {
  readonly isAsynchronous: boolean;
  readonly handling: "strict" | "lenient" | undefined;
}

/** Reads `Prefer`, whose preferences stand in one header or several. */
export function readPreferences(request: Pick<SandboxRequest, "headers">): Preferences {
  const { prefer = [] } = request.headers;
  const parts = [prefer].flat().join(",").split(/[,;]/);
  const stated = new Set(parts.map((part) => part.trim().toLowerCase()));
  return {
    isAsynchronous: stated.has("respond-async"),
    handling: stated.has("handling=strict")
      ? "strict"
      : stated.has("handling=lenient")
        ? "lenient"
        : undefined,
  };
}

/**
 * The parameters of a kick-off: of the URL and, for a POST, of a Parameters resource.
 *
 * @returns undefined when the body is no Parameters resource whose parameters have a value each
 */
export function readParameters(
  request: Pick<SandboxRequest, "method" | "url" | "body">,
): URLSearchParams | undefined {
  const parameters = new URLSearchParams(request.url.searchParams);
  if (request.method !== "POST") return parameters;
  const body = parse(request.body);
  if (body?.["resourceType"] !== "Parameters") return undefined;
  for (const one of each(body["parameter"])) {
    const [name, value] = isObject(one) ? readParameter(one) : [];
    if (name === undefined || value === undefined) return undefined;
    parameters.append(name, value);
  }
  return parameters;
}

function parse(body: Buffer): JsonObject | undefined {
  try {
    const value = JSON.parse(body.toString("utf8")) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readParameter(parameter: JsonObject): [name: string | undefined, value: string | undefined] {
  const { name } = parameter;
  const value = Object.entries(parameter).find(([member]) => member.startsWith("value"))?.[1];
  const text = isObject(value) ? value["reference"] : value;
  return [typeof name === "string" ? name : undefined, typeof text === "string" ? text : undefined];
}

/** The values of a parameter that may be repeated, and may list several with commas. */
export function listed(parameters: URLSearchParams, name: string): string[] {
  return parameters
    .getAll(name)
    .flatMap((value) => value.split(","))
    .map((value) => value.trim())
    .filter((value) => value !== "");
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970 of a FHIR instant; undefined for anything else. */
export function readInstant(text: string): number | undefined {
  // An unescaped plus of a time zone is read as a space.
  const instant = text.replace(/ (?=\d\d:\d\d$)/, "+");
  if (!INSTANT.test(instant)) return undefined;
  const time = Date.parse(instant);
  const day = instant.slice(0, 10);
  // Date.parse takes 30 February for the first days of March.
  const isRealDay = new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
  return Number.isNaN(time) || !isRealDay ? undefined : time;
}
