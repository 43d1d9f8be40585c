import { each, isObject, type JsonObject } from "../json.ts";

/** The document types of the CCD API: title and LOINC code of the document (C-CDA R2.1). */
export const DOCUMENT_TITLES: Readonly<Record<string, { readonly code: string; readonly display: string }>> =
  {
    CCD: { code: "34133-9", display: "Summary of episode note" },
    "Referral Note": { code: "57133-1", display: "Referral note" },
    "Discharge Summary": { code: "18842-5", display: "Discharge summary" },
  };

interface Section {
  readonly code: string;
  readonly title: string;
  readonly type: string;
  /** Elements whose date decides whether a resource is in the asked period. */
  readonly dates: readonly string[];
  readonly named: string;
}

const SECTIONS: readonly Section[] = [
  { code: "48765-2", title: "Allergies", type: "AllergyIntolerance", dates: ["recordedDate"], named: "code" },
  {
    code: "11450-4",
    title: "Problems",
    type: "Condition",
    dates: ["recordedDate", "onsetDateTime"],
    named: "code",
  },
  {
    code: "10160-0",
    title: "Medications",
    type: "MedicationRequest",
    dates: ["authoredOn"],
    named: "medicationCodeableConcept",
  },
  { code: "47519-4", title: "Procedures", type: "Procedure", dates: ["performedDateTime"], named: "code" },
];

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const text = (value: unknown) => (typeof value === "string" ? value : "");
const digits = (date: string) => date.replaceAll(/[-:]|T.*$/g, "");

export interface CdaRequest {
  readonly patient: JsonObject;
  readonly title: string;
  /** YYYY-MM-DD */
  readonly start?: string;
  readonly end?: string;
  readonly organization: string;
  readonly ofType: (type: string) => readonly JsonObject[];
}

/** A CDA R2 ClinicalDocument about a patient, with what was recorded in the period. */
export function writeCda({ patient, title, start, end, organization, ofType }: CdaRequest): string {
  const kind = DOCUMENT_TITLES[title] ?? { code: "34133-9", display: title };
  const id = text(patient["id"]);
  const name = each(patient["name"]).find(isObject);
  const given = each(name?.["given"]).map((one) => `<given>${escape(text(one))}</given>`);
  const gender = patient["gender"] === "male" ? "M" : patient["gender"] === "female" ? "F" : "UN";
  const sections = SECTIONS.map((section) => writeSection(section, ofType(section.type), start, end));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<ClinicalDocument xmlns="urn:hl7-org:v3">',
    '<realmCode code="US"/>',
    '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>',
    '<templateId root="2.16.840.1.113883.10.20.22.1.2" extension="2015-08-01"/>',
    `<id root="2.25.1" extension="${escape(`${id}/${title}`)}"/>`,
    `<code code="${kind.code}" codeSystem="2.16.840.1.113883.6.1" displayName="${escape(kind.display)}"/>`,
    `<title>${escape(title)}</title>`,
    '<effectiveTime value="20260201080000+0000"/>',
    '<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>',
    '<languageCode code="en-US"/>',
    `<recordTarget><patientRole><id root="2.25.2" extension="${escape(id)}"/><patient><name>${given.join("")}<family>${escape(text(name?.["family"]))}</family></name>`,
    `<administrativeGenderCode code="${gender}" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="${digits(text(patient["birthDate"]))}"/></patient></patientRole></recordTarget>`,
    '<author><time value="20260201080000+0000"/><assignedAuthor><id root="2.25.3"/></assignedAuthor></author>',
    `<custodian><assignedCustodian><representedCustodianOrganization><id root="2.25.4"/><name>${escape(organization)}</name></representedCustodianOrganization></assignedCustodian></custodian>`,
    `<component><structuredBody>${sections.join("")}</structuredBody></component>`,
    "</ClinicalDocument>",
  ].join("\n");
}

function writeSection(
  section: Section,
  resources: readonly JsonObject[],
  start: string | undefined,
  end: string | undefined,
): string {
  const shown = resources.filter((resource) => {
    const date = section.dates.map((name) => text(resource[name]).slice(0, 10)).find((one) => one !== "");
    if (date === undefined) return true;
    return (start === undefined || date >= start) && (end === undefined || date <= end);
  });
  const items = shown.map((resource) => {
    const concept = resource[section.named];
    const [coding] = isObject(concept) ? each(concept["coding"]).filter(isObject) : [];
    const words = isObject(concept) ? text(concept["text"]) : "";
    return `<item>${escape(words === "" ? text(coding?.["display"]) : words)}</item>`;
  });
  const content =
    items.length === 0 ? "<paragraph>Nothing recorded</paragraph>" : `<list>${items.join("")}</list>`;
  return `<component><section><code code="${section.code}" codeSystem="2.16.840.1.113883.6.1"/><title>${section.title}</title><text>${content}</text></section></component>`;
}
