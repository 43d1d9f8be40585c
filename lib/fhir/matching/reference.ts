/** References in searches (FHIR R4, search.html#reference): `id`, `Type/id`, or a URL. */
import { readReference } from "../reference.ts";
import type { Match } from "./truth.ts";

/**
 * Whether a reference, or a canonical, points to what is asked for.
 *
 * @param type what stands behind the colon of the parameter's name, as in `subject:Patient`
 * @param base FHIR base URL of the server
 */
export function matchReference(value: unknown, asked: string, type: string | undefined, base: string): Match {
  if (typeof value === "string") return matchCanonical(value, asked, base);
  const text =
    typeof value === "object" && value !== null ? (value as { reference?: unknown }).reference : undefined;
  if (typeof text !== "string") return "no";
  const found = readReference(text, base);
  const wanted = readReference(asked, base);
  if (found.kind !== "restful" || found.base !== undefined) {
    const isOfType = type === undefined || found.kind !== "restful" || found.type === type;
    return text === asked && isOfType ? "yes" : "no";
  }
  if (wanted.kind !== "restful")
    return asked === found.id && (type === undefined || type === found.type) ? "yes" : "no";
  if (wanted.base !== undefined || wanted.type !== found.type || wanted.id !== found.id) return "no";
  if (type !== undefined && type !== found.type) return "no";
  // Whether a reference to a version is found without the version, or the other way round, is up to the server.
  return wanted.version === found.version ? "yes" : "maybe";
}

function matchCanonical(value: string, asked: string, base: string): Match {
  if (value === asked) return "yes";
  const [url = "", version] = value.split("|");
  const [wanted = "", wantedVersion] = asked.split("|");
  if (url === wanted) return wantedVersion === undefined || wantedVersion === version ? "yes" : "no";
  // A canonical below this server's own base may be asked for as a reference.
  const local = readReference(url, base);
  const other = readReference(wanted, base);
  if (local.kind === "restful" && local.base === undefined) {
    if (wanted === local.id) return "maybe";
    if (
      other.kind === "restful" &&
      other.base === undefined &&
      other.type === local.type &&
      other.id === local.id
    )
      return "maybe";
  }
  return "no";
}
