/** Rules of a Bundle's entries (https://hl7.org/fhir/R4/bundle.html#bundle-unique) that no invariant states. */
import { isObject, listAt, stringAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { isAbsoluteUri } from "./primitives.ts";
import { findInBundle } from "./references.ts";
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

/** Judges the entries and links of a Bundle as its type demands. */
export function checkBundle(
  run: Run,
  bundle: JsonObject,
  isResourceType: (name: string) => boolean,
  depth: number,
): void {
  const type = stringAt(bundle, "type") ?? "";
  const below = depth + 1;
  checkLinks(run, bundle, type, below);
  if (type === "searchset") checkSearchResult(run, bundle, below);
  else if (type === "document") checkDocument(run, bundle, depth);
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

const PAGED: ReadonlySet<string> = new Set(["searchset", "history"]);
const PAGES: ReadonlySet<string> = new Set(["first", "previous", "prev", "next", "last", "self"]);

function checkLinks(run: Run, bundle: JsonObject, type: string, depth: number): void {
  const seen = new Set<string>();
  for (const [at, link] of listAt(bundle, "link").entries()) {
    const relation = isObject(link) ? stringAt(link, "relation") : undefined;
    if (relation === undefined) continue;
    const isSingle = PAGED.has(type) ? PAGES.has(relation) : relation === "self";
    if (isSingle && seen.has(relation)) {
      run.segments[depth] = "link";
      run.indexes[depth] = at;
      report(run, depth, {
        severity: "error",
        code: "invalid",
        rule: "bundle-link-duplicate",
        details: { type: quoted(type), relation },
      });
    }
    seen.add(relation);
  }
}

/** https://hl7.org/fhir/R4/search.html#modes */
function checkSearchResult(run: Run, bundle: JsonObject, depth: number): void {
  for (const [at, entry] of listAt(bundle, "entry").entries()) {
    if (!isObject(entry)) continue;
    run.segments[depth] = "entry";
    run.indexes[depth] = at;
    const { resource, search } = entry;
    if (!isObject(resource)) continue;
    const mode = isObject(search) ? stringAt(search, "mode") : undefined;
    const type = stringAt(resource, "resourceType") ?? "";
    if ((mode === "match" || mode === "include") && resource["id"] === undefined) {
      report(run, depth, { severity: "error", code: "invalid", rule: "bundle-search-no-id" });
    } else if (mode === "outcome" && type !== "OperationOutcome") {
      report(run, depth, {
        severity: "error",
        code: "invalid",
        rule: "bundle-search-not-outcome",
        details: { type: quoted(type) },
      });
    }
  }
}

/** What a Composition refers to has to be in its document (https://hl7.org/fhir/R4/documents.html#content). */
function checkDocument(run: Run, bundle: JsonObject, depth: number): void {
  const [first] = listAt(bundle, "entry");
  const composition = isObject(first) ? first["resource"] : undefined;
  if (!isObject(first) || !isObject(composition) || composition["resourceType"] !== "Composition") return;
  const fullUrl = stringAt(first, "fullUrl");
  const check = (value: unknown, element: string): void => {
    const reference = isObject(value) ? stringAt(value, "reference") : undefined;
    if (reference === undefined || reference === "" || reference.startsWith("#")) return;
    if (findInBundle(bundle, fullUrl, reference) !== undefined) return;
    report(run, depth, {
      severity: "error",
      code: "not-found",
      rule: "bundle-document-reference",
      details: { reference: quoted(reference), element },
    });
  };
  for (const name of ["subject", "encounter", "custodian"]) check(composition[name], `Composition.${name}`);
  for (const author of listAt(composition, "author")) check(author, "Composition.author");
  for (const attester of listAt(composition, "attester"))
    if (isObject(attester)) check(attester["party"], "Composition.attester.party");
  for (const event of listAt(composition, "event")) {
    for (const detail of listAt(event, "detail")) check(detail, "Composition.event.detail");
  }
  const visit = (sections: readonly unknown[], level: number): void => {
    for (const section of sections) {
      if (!isObject(section) || level > DEEPEST_SECTION) continue;
      for (const author of listAt(section, "author")) check(author, "Composition.section.author");
      check(section["focus"], "Composition.section.focus");
      for (const entry of listAt(section, "entry")) check(entry, "Composition.section.entry");
      visit(listAt(section, "section"), level + 1);
    }
  };
  visit(listAt(composition, "section"), 0);
}

const DEEPEST_SECTION = 100;
