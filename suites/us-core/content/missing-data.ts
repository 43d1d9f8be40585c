/** How resources say that data are missing (US Core 6.1.0, general-requirements.html#missing-data). */
import { isObject } from "../../../lib/checks/select.ts";
import type { DefinitionSource } from "../../../lib/validator/pack/format.ts";
import { codingsOf, listAt, textAt, type Seen } from "./seen.ts";

const EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const CODE_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

/** A place where a resource says that, and why, a value is missing. */
export interface Absence {
  readonly holder: Seen;
  /** Path without indexes, companions by the name of their element: `Observation.effectiveDateTime`. */
  readonly path: string;
  /** By the extension in place of the value, or by a code in place of one of the value set. */
  readonly by: "extension" | "code";
  readonly reason: string | undefined;
  /** Whether there is a value all the same. */
  readonly hasValue: boolean;
  /** Whether profiles demand the element; undefined where they say nothing about it. */
  readonly demanded: boolean | undefined;
  /** Whether the element is coded with room for another code or a text: CodeableConcept or Coding. */
  readonly coded: boolean;
}

/**
 * Every place at which a resource says that data are missing.
 *
 * @param profiles those that the resource has to meet
 */
export function absencesIn(
  definitions: DefinitionSource,
  holder: Seen,
  profiles: readonly string[],
): readonly Absence[] {
  const demands = demandsOf(definitions, profiles, holder.resource.resourceType);
  const found: Absence[] = [];
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const member of value as readonly unknown[]) visit(member, path);
      return;
    }
    if (!isObject(value)) return;
    const demand = demands(path);
    for (const extension of listAt(value, "extension")) {
      if (textAt(extension, "url") !== EXTENSION) continue;
      found.push({
        holder,
        path,
        by: "extension",
        reason: textAt(extension, "valueCode"),
        hasValue: hasContent(value),
        ...demand,
      });
    }
    for (const coding of "coding" in value ? codingsOf(value) : []) {
      if (textAt(coding, "system") !== CODE_SYSTEM) continue;
      found.push({ holder, path, by: "code", reason: textAt(coding, "code"), hasValue: false, ...demand });
    }
    for (const [name, member] of Object.entries(value)) {
      if (typeof member !== "object" || member === null || name === "contained") continue;
      const plain = name.startsWith("_") ? name.slice(1) : name;
      if (!name.startsWith("_")) {
        visit(member, `${path}.${plain}`);
        continue;
      }
      visitCompanion(value[plain], member, `${path}.${plain}`);
    }
  };
  /** The extensions beside a primitive: an object, or a list of them in step with the values. */
  const visitCompanion = (values: unknown, companion: unknown, path: string): void => {
    const companions = Array.isArray(companion) ? (companion as readonly unknown[]) : [companion];
    companions.forEach((one, index) => {
      const value: unknown = Array.isArray(values) ? (values as readonly unknown[])[index] : values;
      for (const extension of listAt(one, "extension")) {
        if (textAt(extension, "url") !== EXTENSION) continue;
        found.push({
          holder,
          path,
          by: "extension",
          reason: textAt(extension, "valueCode"),
          hasValue: value !== undefined && value !== null,
          ...demands(path),
        });
      }
    });
  };
  visit(holder.resource, holder.resource.resourceType);
  return found;
}

/** Whether an element has anything but an id and extensions. */
function hasContent(value: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(value).some((key) => key !== "id" && key !== "extension");
}

type Demand = Pick<Absence, "demanded" | "coded">;

function demandsOf(
  definitions: DefinitionSource,
  profiles: readonly string[],
  type: string,
): (path: string) => Demand {
  const structures =
    profiles.length === 0 ? [definitions.type(type)] : profiles.map((one) => definitions.structure(one));
  const elements = structures.flatMap((structure) => structure?.elements ?? []);
  const known = new Map<string, Demand>();
  return (path) => {
    let demand = known.get(path);
    if (demand === undefined) {
      const here = elements.filter((element) => isAt(element.path, path));
      demand = {
        demanded: here.length === 0 ? undefined : here.some(({ min }) => min > 0),
        coded: here.some(
          ({ types }) => types?.some(({ code }) => code === "CodeableConcept" || code === "Coding") === true,
        ),
      };
      known.set(path, demand);
    }
    return demand;
  };
}

/** Whether a path as it stands in JSON is that of an element; `value[x]` stands as `valueQuantity` there. */
function isAt(element: string, path: string): boolean {
  const wanted = element.split(".");
  const found = path.split(".");
  return (
    wanted.length === found.length &&
    wanted.every((name, index) => {
      const one = found[index] ?? "";
      if (!name.endsWith("[x]")) return name === one;
      const stem = name.slice(0, -3);
      return one.startsWith(stem) && /^[A-Z]/.test(one.slice(stem.length));
    })
  );
}

/** An element that need not be there is left out when nobody knows why it is missing. */
export function isNeedless({ by, reason, demanded }: Absence): boolean {
  return by === "extension" && demanded === false && reason === "unknown";
}

/** Of a coded element that is demanded: the extension stands where a text or a code for "unknown" belongs. */
export function lacksCode({ by, coded, demanded, hasValue }: Absence): boolean {
  return by === "extension" && coded && demanded === true && !hasValue;
}

/** It says in the same breath what the value is and that it is missing. */
export function contradictsItself({ by, hasValue, coded }: Absence): boolean {
  return by === "extension" && hasValue && !coded;
}

/** It says that something is hidden, which tells that there is something. */
export function tellsOfMasking({ reason, path }: Absence): boolean {
  // An Observation's own element for the reason is there for every reason.
  return reason === "masked" && !path.endsWith(".dataAbsentReason");
}
