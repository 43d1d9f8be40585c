/** Clinical notes (US Core 6.1.0, clinical-notes.html): which kinds are there, and where else a report is found. */
import { hasCode, listAt, textAt, valuesAt, type Resource, type Seen } from "./seen.ts";

export const LOINC = "http://loinc.org";

/** DocumentReferences of a type, by its LOINC code. */
export function notesOfType(seen: readonly Seen[], code: string): readonly Seen[] {
  return seen.filter(
    ({ resource }) =>
      (resource.resourceType === "DocumentReference" && hasCode(resource["type"], LOINC, code)) ||
      // A narrative of a laboratory, of pathology or of imaging may be a report instead.
      (resource.resourceType === "DiagnosticReport" && hasCode(resource["code"], LOINC, code)),
  );
}

/** DiagnosticReports of a category, by its LOINC code. */
export function reportsOfCategory(seen: readonly Seen[], code: string): readonly Seen[] {
  return seen.filter(
    ({ resource }) =>
      resource.resourceType === "DiagnosticReport" && hasCode(resource["category"], LOINC, code),
  );
}

/** URLs of attachments at a path, as absolute ones where they are relative to the base. */
function attachmentUrls(resource: Resource, path: string, base: string): readonly string[] {
  return valuesAt(resource, path).flatMap((attachment) => {
    const url = textAt(attachment, "url");
    return url === undefined ? [] : [absolute(url, base)];
  });
}

/** A URL below the base; relative ones are relative to it (FHIR R4 §datatypes.html#Attachment). */
export function absolute(url: string, base: string): string {
  const root = base.endsWith("/") ? base : `${base}/`;
  return URL.canParse(url, root) ? new URL(url, root).href : url;
}

const SCANNED = /^(application\/pdf|image\/)/i;

/** Scanned reports whose file no DocumentReference has. */
export function reportsWithoutDocument(
  seen: readonly Seen[],
  base: string,
): {
  readonly scanned: readonly Seen[];
  readonly alone: readonly Seen[];
} {
  const documents = new Set(
    seen
      .filter(({ resource }) => resource.resourceType === "DocumentReference")
      .flatMap(({ resource }) => attachmentUrls(resource, "content.attachment", base)),
  );
  const scans = (resource: Resource) =>
    valuesAt(resource, "presentedForm")
      .filter((form) => SCANNED.test(textAt(form, "contentType") ?? ""))
      .flatMap((form) => textAt(form, "url") ?? [])
      .map((url) => absolute(url, base));
  const scanned = seen.filter(
    ({ resource }) => resource.resourceType === "DiagnosticReport" && scans(resource).length > 0,
  );
  return {
    scanned,
    alone: scanned.filter(({ resource }) => scans(resource).some((url) => !documents.has(url))),
  };
}

/** DocumentReferences for which nobody is named as responsible: no custodian, and no Provenance with an organization. */
export function documentsWithoutCustodian(seen: readonly Seen[]): {
  readonly documents: readonly Seen[];
  readonly without: readonly Seen[];
} {
  const answeredFor = new Set(
    seen
      .filter(({ resource }) => resource.resourceType === "Provenance")
      .filter(
        ({ resource }) =>
          [...valuesAt(resource, "agent.who"), ...valuesAt(resource, "agent.onBehalfOf")].length > 0,
      )
      .flatMap(({ resource }) =>
        valuesAt(resource, "target").flatMap((target) => lastTwo(textAt(target, "reference"))),
      ),
  );
  const documents = seen.filter(({ resource }) => resource.resourceType === "DocumentReference");
  return {
    documents,
    without: documents.filter(
      ({ resource }) =>
        listAt(resource, "custodian").length === 0 &&
        !answeredFor.has(`DocumentReference/${textAt(resource, "id") ?? ""}`),
    ),
  };
}

/** `Type/id` at the end of a reference, whatever stands before it, without a version. */
export function lastTwo(reference: string | undefined): readonly string[] {
  const match = /([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[A-Za-z0-9.-]+)?$/.exec(reference ?? "");
  return match?.[1] === undefined ? [] : [match[1]];
}
