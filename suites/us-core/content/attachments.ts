/** What an attachment says of its content (FHIR R4 §datatypes.html#Attachment), and whether the content is so. */
import { createHash } from "node:crypto";
import { isObject } from "../../../lib/checks/select.ts";
import { textAt, valuesAt, type Seen } from "./seen.ts";

/** An attachment with where it stands. */
export interface AttachmentSeen {
  readonly holder: Seen;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly url: string | undefined;
  readonly data: string | undefined;
  readonly size: number | undefined;
  /** SHA-1, base64. */
  readonly hash: string | undefined;
}

const PLACES: Readonly<Record<string, string>> = {
  DocumentReference: "content.attachment",
  DiagnosticReport: "presentedForm",
};

/** The attachments of notes and reports. */
export function attachmentsOf(holder: Seen): readonly AttachmentSeen[] {
  const type = holder.resource.resourceType;
  const place = PLACES[type];
  if (place === undefined) return [];
  return valuesAt(holder.resource, place)
    .filter((value) => isObject(value))
    .map((attachment) => ({
      holder,
      path: `${type}.${place}`,
      contentType: textAt(attachment, "contentType"),
      url: textAt(attachment, "url"),
      data: textAt(attachment, "data"),
      size: typeof attachment["size"] === "number" ? attachment["size"] : undefined,
      hash: textAt(attachment, "hash"),
    }));
}

/** A way in which content is not what its attachment says. */
export interface Disagreement {
  readonly code: "attachment.content-type" | "attachment.size" | "attachment.hash" | "attachment.empty";
  readonly expected: string;
  readonly actual: string;
}

/** The type and subtype of a media type, without parameters. */
export function mediaType(value: string | undefined): string | undefined {
  return value?.split(";")[0]?.trim().toLowerCase();
}

/**
 * Compares content with its attachment.
 *
 * @param served the media type it came with; undefined for inline data
 */
export function disagreements(
  attachment: AttachmentSeen,
  content: Uint8Array,
  served: string | undefined,
): readonly Disagreement[] {
  const found: Disagreement[] = [];
  const { size, hash } = attachment;
  const wanted = mediaType(attachment.contentType);
  const came = mediaType(served);
  if (content.byteLength === 0)
    found.push({
      code: "attachment.empty",
      expected: "the content of the attachment",
      actual: "no content at all",
    });
  if (wanted !== undefined && came !== undefined && !isSameType(wanted, came))
    found.push({
      code: "attachment.content-type",
      expected: `content of the type ${wanted}`,
      actual: `content of the type ${came}`,
    });
  if (size !== undefined && size !== content.byteLength)
    found.push({
      code: "attachment.size",
      expected: `${size} bytes, as the attachment says`,
      actual: `${content.byteLength} bytes`,
    });
  if (hash !== undefined && !hashes(content).includes(hash))
    found.push({
      code: "attachment.hash",
      expected: "content with the SHA-1 hash that the attachment gives",
      actual: "content with another hash",
    });
  return found;
}

/** Some media types have two names, and a C-CDA document is XML whatever else it is called. */
function isSameType(one: string, other: string): boolean {
  // Octets of no stated kind contradict nothing.
  return one === other || other === "application/octet-stream" || familyOf(one) === familyOf(other);
}

function familyOf(type: string): string {
  return /[/+]xml$/.test(type) ? "xml" : type;
}

/** R4 asks for the raw digest as base64; many write its hexadecimal form as base64. Both say the same. */
function hashes(content: Uint8Array): readonly string[] {
  const digest = createHash("sha1").update(content).digest();
  return [digest.toString("base64"), Buffer.from(digest.toString("hex")).toString("base64")];
}
