/** Which codes are in which value set, as far as that can be told without a terminology service. */
import { mayBeCode } from "./code-forms.ts";
import { isObject, withoutVersion } from "./json.ts";
import type { DefinitionSource } from "./pack/format.ts";
import { isUcum } from "./ucum.ts";

export type Membership = "in" | "out" | "unknown";

/** A value set, ready to be asked. */
export interface CodeTest {
  readonly valueSet: string;
  /** Whether the definitions have it at all. */
  readonly known: boolean;
  /** A code in the value set's sense: system and code. */
  coding(system: string | undefined, code: string): Membership;
  /** A `code`, `uri` or `string` element, which has no system. */
  bare(code: string): Membership;
}

const LANGUAGE_TAG =
  /^(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4}|[A-Za-z]{5,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3})){0,8}(?:-[A-WYZa-wyz0-9](?:-[A-Za-z0-9]{2,8}){1,8}){0,8}(?:-x(?:-[A-Za-z0-9]{1,8}){1,8})?$|^x(?:-[A-Za-z0-9]{1,8}){1,8}$/;
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+*-]+(?:[ \t]*;[ \t]*[^\u0000-\u001f]+)?$/; // oxlint-disable-line no-control-regex

/** Code systems that are a grammar: their codes are judged by form. */
const GRAMMARS: ReadonlyMap<string, (code: string) => boolean> = new Map([
  ["urn:ietf:bcp:47", (code: string) => LANGUAGE_TAG.test(code)],
  ["urn:ietf:bcp:13", (code: string) => MEDIA_TYPE.test(code)],
  ["http://www.rfc-editor.org/bcp/bcp13.txt", (code: string) => MEDIA_TYPE.test(code)],
  ["http://unitsofmeasure.org", isUcum],
]);

/** Asks whether a code is one of a code system's: `unknown` where the definitions do not list them all. */
export function systemMembership(definitions: DefinitionSource, system: string, code: string): Membership {
  return knownSystem(definitions, system)(code);
}

const systems = new WeakMap<DefinitionSource, Map<string, (code: string) => Membership>>();

function knownSystem(definitions: DefinitionSource, system: string): (code: string) => Membership {
  let cache = systems.get(definitions);
  if (cache === undefined) systems.set(definitions, (cache = new Map()));
  let test = cache.get(system);
  if (test === undefined) {
    test = systemTest(definitions, system);
    // What a resource names is unbounded: keep what the definitions know, and that is bounded.
    if (definitions.codeSystem(system) !== undefined || GRAMMARS.has(system)) cache.set(system, test);
  }
  return test;
}

function systemTest(definitions: DefinitionSource, system: string): (code: string) => Membership {
  const grammar = GRAMMARS.get(system);
  if (grammar !== undefined) return (code) => (grammar(code) ? "in" : "out");
  const facts = definitions.codeSystem(system);
  const byForm = (code: string): Membership => (mayBeCode(system, code) ? "unknown" : "out");
  if (facts === undefined) return byForm;
  const otherwise = facts.content === "complete" ? (): Membership => "out" : byForm;
  if (facts.caseSensitive) {
    const codes = new Set(facts.codes);
    return (code) => (codes.has(code) ? "in" : otherwise(code));
  }
  const codes = new Set(facts.codes.map((code) => code.toLowerCase()));
  return (code) => (codes.has(code.toLowerCase()) ? "in" : otherwise(code));
}

const DEFINED_TYPES = "http://hl7.org/fhir/ValueSet/defined-types";

/** Prepares a value set; one that is not among the definitions answers `unknown` to everything. */
export function codeTest(definitions: DefinitionSource, canonical: string): CodeTest {
  const valueSet = withoutVersion(canonical);
  const facts = definitions.valueSet(canonical) ?? definitions.valueSet(valueSet);
  if (facts === undefined) {
    return { valueSet, known: false, coding: () => "unknown", bare: () => "unknown" };
  }
  const bySystem = new Map<string, (code: string) => Membership>();
  for (const [system, codes] of Object.entries(facts.include)) {
    bySystem.set(
      system,
      codes === "*" ? knownSystem(definitions, system) : listed(definitions, system, codes),
    );
  }
  const open = new Set(facts.unverifiable);
  const openAnywhere = (facts.unknownValueSets ?? []).length > 0;
  const excluded = new Map(
    Object.entries(facts.exclude ?? {}).map(([system, codes]) => [
      system,
      listed(definitions, system, codes),
    ]),
  );

  const coding = (system: string | undefined, code: string): Membership => {
    if (system === undefined) return openAnywhere ? "unknown" : "out";
    if (excluded.get(system)?.(code) === "in") return "out";
    const answer = bySystem.get(system)?.(code) ?? "out";
    if (answer !== "out") return answer;
    if (openAnywhere) return "unknown";
    // A code that its system does not have is no member, whatever part of the system is.
    return open.has(system) && knownSystem(definitions, system)(code) !== "out" ? "unknown" : "out";
  };
  const bare = (code: string): Membership => {
    // R4's own snapshots name the types of FHIRPath where this value set is bound.
    if (valueSet === DEFINED_TYPES && code.startsWith("http://hl7.org/fhirpath/System.")) return "in";
    let answer: Membership = openAnywhere ? "unknown" : "out";
    for (const system of open) if (knownSystem(definitions, system)(code) !== "out") answer = "unknown";
    for (const [system, test] of bySystem) {
      if (excluded.get(system)?.(code) === "in") continue;
      const found = test(code);
      if (found === "in") return found;
      if (found === "unknown") answer = found;
    }
    return answer;
  };
  return { valueSet, known: true, coding, bare };
}

function listed(
  definitions: DefinitionSource,
  system: string,
  codes: readonly string[],
): (code: string) => Membership {
  const sensitive = definitions.codeSystem(system)?.caseSensitive ?? true;
  if (sensitive) {
    const set = new Set(codes);
    return (code) => (set.has(code) ? "in" : "out");
  }
  const set = new Set(codes.map((code) => code.toLowerCase()));
  return (code) => (set.has(code.toLowerCase()) ? "in" : "out");
}

export interface ConceptCoding {
  readonly system?: string;
  readonly version?: string;
  readonly code?: string;
  readonly display?: string;
}

/** Reads what is well formed of a Coding. */
export function readCoding(value: unknown): ConceptCoding {
  const read: { -readonly [K in keyof ConceptCoding]: ConceptCoding[K] } = {};
  if (!isObject(value)) return read;
  const { system, version, code, display } = value;
  if (typeof system === "string") read.system = system;
  if (typeof version === "string") read.version = version;
  if (typeof code === "string") read.code = code;
  if (typeof display === "string") read.display = display;
  return read;
}

/** Membership of a CodeableConcept: any coding that is in suffices. */
export function conceptMembership(test: CodeTest, codings: readonly ConceptCoding[]): Membership {
  let answer: Membership = "out";
  for (const coding of codings) {
    if (coding.code === undefined) continue;
    const found = test.coding(coding.system, coding.code);
    if (found === "in") return found;
    if (found === "unknown") answer = found;
  }
  return answer;
}
