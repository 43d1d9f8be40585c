/** Rules of a Bundle's entries (https://hl7.org/fhir/R4/bundle.html#bundle-unique) that no invariant states. */
import { isObject, listAt, stringAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { isAbsoluteUri } from "./primitives.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { quoted } from "./wording.ts";

const WITHOUT_FULL_URL: ReadonlySet<string> = new Set([
  "transaction",
  "transaction-response",
  "batch",
  "batch-response",
]);
const RESTFUL =
  /^https?:\/\/\S+\/([A-Z][A-Za-z]{1,63})\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/;

/** Judges the fullUrl of every entry. */
export function checkBundle(
  run: Run,
  bundle: JsonObject,
  isResourceType: (name: string) => boolean,
  depth: number,
): void {
  const type = stringAt(bundle, "type") ?? "";
  const below = depth + 1;
  for (const [at, entry] of listAt(bundle, "entry").entries()) {
    if (!isObject(entry)) continue;
    run.segments[below] = "entry";
    run.indexes[below] = at;
    const { fullUrl, resource } = entry;
    if (fullUrl === undefined && entry["_fullUrl"] === undefined) {
      if (!WITHOUT_FULL_URL.has(type)) {
        report(run, below, {
          severity: "error",
          code: "invalid",
          rule: "bundle-full-url-missing",
          details: { type: quoted(type) },
        });
      }
      continue;
    }
    if (typeof fullUrl !== "string" || fullUrl === "") continue;
    if (!isAbsoluteUri(fullUrl)) {
      report(run, below, {
        severity: "error",
        code: "invalid",
        rule: "bundle-full-url-relative",
        details: { fullUrl: quoted(fullUrl) },
      });
    } else if (isObject(resource)) {
      checkRestfulUrl(run, fullUrl, resource, type === "searchset", isResourceType, below);
    }
  }
}

/**
 * A RESTful fullUrl ends with the type and id of its resource. In search results, which published examples of US Core
 * get wrong, a mismatch is a warning.
 */
function checkRestfulUrl(
  run: Run,
  fullUrl: string,
  resource: JsonObject,
  isSearchResult: boolean,
  isResourceType: (name: string) => boolean,
  depth: number,
): void {
  const named = RESTFUL.exec(fullUrl)?.[1];
  const type = stringAt(resource, "resourceType");
  if (named === undefined || type === undefined || !isResourceType(named)) return;
  const id = stringAt(resource, "id");
  if (id === undefined) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "bundle-full-url-without-id",
      details: { fullUrl: quoted(fullUrl) },
    });
    return;
  }
  const plain = fullUrl.includes("/_history/") ? fullUrl.slice(0, fullUrl.indexOf("/_history/")) : fullUrl;
  if (plain.endsWith(`/${type}/${id}`)) return;
  report(run, depth, {
    severity: isSearchResult ? "warning" : "error",
    code: "invalid",
    rule: "bundle-full-url-mismatch",
    details: { fullUrl: quoted(fullUrl), resource: `${type}/${id}` },
  });
}
