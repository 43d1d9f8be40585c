import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { Procedure } from "../../lib/checks/answer.ts";
import { type CheckContext } from "../../lib/checks/context.ts";
import { isObject } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { accessToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { ask, patientOf, unexpectedStatus } from "./request.ts";

/** Entities are left alone: a document from elsewhere is not to be expanded. */
const parser = new XMLParser({ ignoreAttributes: false, processEntities: false, removeNSPrefix: true });

/** A CDA document (CDA R2), as far as its frame goes; or why it is none. */
function readCda(response: HttpResponse): { readonly document: Record<string, unknown> } | Finding {
  const text = new TextDecoder().decode(response.body);
  const expected = "a well-formed CDA document";
  const { exchange } = response;
  const validity = XMLValidator.validate(text);
  if (validity !== true) {
    const actual = `XML that breaks in line ${validity.err.line}`;
    return { code: "cda.syntax", expected, actual, exchange };
  }
  const parsed: unknown = parser.parse(text);
  const document = isObject(parsed) ? parsed["ClinicalDocument"] : undefined;
  if (!isObject(document))
    return { code: "cda.syntax", expected, actual: "XML whose root is no ClinicalDocument", exchange };
  if (document["recordTarget"] === undefined)
    return {
      code: "cda.patient",
      expected: "a document about a patient",
      actual: "no recordTarget",
      exchange,
    };
  return { document };
}

async function fetchDocument(context: CheckContext, query: string): Promise<HttpResponse> {
  return await ask(context, {
    path: `?${query}`,
    accept: "application/xml, text/xml, */*;q=0.5",
    authorization: "token",
    purpose: "a CDA document",
  });
}

/** A document comes, and is the one that was asked for. */
export const documentGiven: Procedure = async (context, parameters) => {
  const response = await fetchDocument(context, String(parameters["query"]));
  if (response.status !== 200) return [unexpectedStatus(response, "a document")];
  const read = readCda(response);
  if (!("document" in read)) return [read];
  const title = parameters["title"] as string | undefined;
  if (title === undefined) return [];
  const code = isObject(read.document["code"]) ? read.document["code"]["@_code"] : undefined;
  const named = titleOf(read.document);
  // LOINC 34133-9 is the code of every CCD, whatever its title says (C-CDA R2.1, US Realm CCD).
  if (named === title || (title === "CCD" && code === "34133-9")) return [];
  return [
    {
      code: "cda.title",
      expected: `a document of the kind ${title}`,
      actual: `a document with the code ${typeof code === "string" ? code : "none"}`,
      exchange: response.exchange,
    },
  ];
};

function titleOf(document: Record<string, unknown>): string {
  const { title } = document;
  if (typeof title === "string") return title;
  return isObject(title) && typeof title["#text"] === "string" ? title["#text"] : "";
}

/** A period long gone leaves no more entries than no period at all, and fewer where there are any. */
export const documentNarrowed: Procedure = async (context, parameters) => {
  const query = String(parameters["query"]);
  const whole = await fetchDocument(context, query);
  if (whole.status !== 200) return [unexpectedStatus(whole, "a document")];
  const narrowed = await fetchDocument(context, `${query}&${String(parameters["period"])}`);
  // Nothing in the period is no document for some.
  if (narrowed.status === 404) return [];
  if (narrowed.status !== 200) return [unexpectedStatus(narrowed, "a document of a period")];
  const before = contentOf(whole);
  const after = contentOf(narrowed);
  if (after < before || before === 0) return [];
  return [
    {
      code: "cda.period",
      expected: "fewer entries in a period of which nothing is known",
      actual: `${after} of ${before} entries`,
      exchange: narrowed.exchange,
    },
  ];
};

/** How much the sections hold: entries, list items and table rows. */
function contentOf(response: HttpResponse): number {
  return new TextDecoder().decode(response.body).match(/<(?:\w+:)?(?:entry|item|tr)[\s>]/g)?.length ?? 0;
}

/** What the CCD API gives has a successor at v2: $docref of DocumentReference. */
export const successorGives: Procedure = async (context, parameters) => {
  const next = context.elsewhere(String(parameters["api"]));
  const patient = encodeURIComponent(await patientOf(next));
  const response = await next.send({
    method: "GET",
    url: `${next.target.base}/DocumentReference/$docref?patient=${patient}`,
    headers: { accept: "application/fhir+json" },
    bearer: await accessToken(next),
    purpose: "$docref at v2",
  });
  if (response.status !== 200) return [unexpectedStatus(response, "the answer of $docref")];
  const { json } = subjectOf("the answer", response);
  if (isObject(json) && json["resourceType"] === "Bundle") return [];
  const actual = "something else";
  return [{ code: "fhir.resource-type", expected: "a Bundle", actual, exchange: response.exchange }];
};

/** How image files begin. */
const SIGNATURES: Readonly<Record<string, readonly (readonly number[])[]>> = {
  "image/png": [[0x89, 0x50, 0x4e, 0x47]],
  "image/jpeg": [[0xff, 0xd8, 0xff]],
  "image/gif": [[0x47, 0x49, 0x46, 0x38]],
  "image/bmp": [[0x42, 0x4d]],
  "image/tiff": [
    [0x49, 0x49, 0x2a, 0x00],
    [0x4d, 0x4d, 0x00, 0x2a],
  ],
  "image/webp": [[0x52, 0x49, 0x46, 0x46]],
};

/** An image comes, of the media type that its header says. */
export const imageServed: Procedure = async (context) => {
  const response = await ask(context, {
    path: "/{patient}",
    accept: "image/*",
    authorization: "token",
    purpose: "the image of a patient",
  });
  const { status, exchange, body } = response;
  // Not everybody has had a picture taken.
  if (status === 404) return [];
  if (status !== 200) return [unexpectedStatus(response, "an image")];
  const mediaType = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const expected = `an image (${Object.keys(SIGNATURES).join(", ")})`;
  const signatures = SIGNATURES[mediaType === "image/jpg" ? "image/jpeg" : mediaType];
  if (signatures === undefined)
    return [
      {
        code: "image.media-type",
        expected,
        actual: mediaType === "" ? "no media type" : mediaType,
        exchange,
      },
    ];
  if (signatures.some((signature) => signature.every((byte, index) => body[index] === byte))) return [];
  return [
    {
      code: "image.signature",
      expected: `bytes of ${mediaType}`,
      actual: "bytes of something else",
      exchange,
    },
  ];
};
