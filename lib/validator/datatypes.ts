/** Rules of single datatypes that no invariant states, but the specification's text does. */
import type { JsonObject } from "./json.ts";
import type { DefinitionSource } from "./pack/format.ts";
import { base64Size, isAbsoluteUri, PRIMITIVE, stringProblem } from "./primitives.ts";
import { containedIn } from "./references.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { systemMembership } from "./terminologies.ts";
import { noteLocalReference } from "./walk.ts";
import { quoted } from "./wording.ts";

/** https://hl7.org/fhir/R4/datatypes.html#Coding: the system is an absolute URI of a code system, the code is one of its. */
export function checkCoding(run: Run, definitions: DefinitionSource, value: JsonObject, depth: number): void {
  const { system, code } = value;
  if (typeof system === "string") {
    if (!isSystem(system)) {
      report(run, depth, {
        severity: "error",
        code: "code-invalid",
        rule: "system-relative",
        details: { system: quoted(system) },
      });
    } else if (typeof code === "string" && code !== "") {
      if (systemMembership(definitions, system, code) === "out") {
        report(run, depth, {
          severity: "error",
          code: "code-invalid",
          rule: "code-unknown",
          details: { system: quoted(system), code: quoted(code) },
        });
      } else if (system.includes("/ValueSet/") && definitions.valueSet(system) !== undefined) {
        report(run, depth, {
          severity: "error",
          code: "code-invalid",
          rule: "system-is-value-set",
          details: { system: quoted(system) },
        });
      }
    }
  } else if (typeof code === "string" && system === undefined) {
    report(run, depth, {
      severity: "warning",
      code: "code-invalid",
      rule: "coding-without-system",
      details: { code: quoted(code) },
    });
  }
}

function isSystem(system: string): boolean {
  return (
    system.startsWith("http:") || system.startsWith("https:") || system.startsWith("urn:") || system === ""
  );
}

/** A unit's code is one of its system's, where that is known. */
export function checkQuantity(
  run: Run,
  definitions: DefinitionSource,
  value: JsonObject,
  depth: number,
): void {
  const { system, code } = value;
  if (typeof system !== "string" || typeof code !== "string" || system === "" || code === "") return;
  if (systemMembership(definitions, system, code) !== "out") return;
  report(run, depth, {
    severity: "error",
    code: "code-invalid",
    rule: "code-unknown",
    details: { system: quoted(system), code: quoted(code) },
  });
}

/** https://hl7.org/fhir/R4/datatypes.html#Identifier */
export function checkIdentifier(run: Run, value: JsonObject, depth: number): void {
  const { system } = value;
  if (typeof system !== "string" || system === "") return;
  if (!isSystem(system) && !system.startsWith("ldap:")) {
    report(run, depth, {
      severity: "error",
      code: "code-invalid",
      rule: "system-relative",
      details: { system: quoted(system) },
    });
  }
  const identifier = value["value"];
  if (system === "urn:ietf:rfc:3986" && typeof identifier === "string" && !isAbsoluteUri(identifier)) {
    report(run, depth, {
      severity: "error",
      code: "code-invalid",
      rule: "identifier-uri-value",
      details: { value: quoted(identifier) },
    });
  }
}

/** https://hl7.org/fhir/R4/datatypes.html#Attachment: the size is that of the data before base64. */
export function checkAttachment(run: Run, value: JsonObject, depth: number): void {
  const { data, size } = value;
  if (typeof data !== "string" || typeof size !== "number") return;
  const problem = stringProblem(PRIMITIVE.base64Binary, data);
  if (problem !== undefined && problem !== "whitespace-inside") return;
  const actual = base64Size(data);
  if (actual === size) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "attachment-size",
    details: { size, actual },
  });
}

const REFERENCE = "http://hl7.org/fhir/StructureDefinition/Reference";

/** ref-1 and the form of a reference (https://hl7.org/fhir/R4/references.html#contained). */
export function checkReferenceForm(run: Run, value: JsonObject, depth: number): void {
  const { reference } = value;
  if (typeof reference !== "string" || reference === "") return;
  if (/\s/.test(reference)) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "reference-form",
      details: { reference: quoted(reference) },
    });
    return;
  }
  if (reference.charCodeAt(0) !== 35) return;
  noteLocalReference(run, reference);
  const found =
    reference === "#" ? run.resource !== run.container : containedIn(run, reference.slice(1)) !== undefined;
  if (found) return;
  report(run, depth, {
    severity: "error",
    code: "invariant",
    rule: "reference-local",
    details: { reference: quoted(reference) },
    profile: REFERENCE,
    constraint: "ref-1",
  });
}
