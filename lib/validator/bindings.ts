/** Bindings: is the code of the value set (https://hl7.org/fhir/R4/terminologies.html#strength). */
import { isObject, listAt } from "./json.ts";
import { recordNotVerified, report } from "./run.ts";
import type { Run } from "./run.ts";
import { SPECIAL } from "./shapes.ts";
import type { Binding } from "./shapes.ts";
import { readCoding } from "./terminologies.ts";
import type { CodeTest, ConceptCoding, Membership } from "./terminologies.ts";
import { quoted } from "./wording.ts";

/**
 * Judges a coded value by a binding.
 *
 * @param special which datatype the value is; `SPECIAL.none` for primitives.
 * @param profile the structure that has the binding, undefined for the base types.
 */
export function checkBinding(
  run: Run,
  binding: Binding,
  value: unknown,
  special: number,
  profile: string | undefined,
  depth: number,
): void {
  if (typeof value === "string") {
    checkBare(run, binding, value, profile, depth);
    return;
  }
  if (!isObject(value)) return;
  if (special === SPECIAL.codeableConcept) checkConcept(run, binding, value, profile, depth);
  else if (special === SPECIAL.coding || special === SPECIAL.quantity)
    checkCoding(run, binding, value, profile, depth);
}

function checkBare(
  run: Run,
  binding: Binding,
  code: string,
  profile: string | undefined,
  depth: number,
): void {
  const answer = binding.test.bare(code);
  if (answer === "out") {
    if (isFormatName(run, code, depth)) return;
    refuse(run, binding, quoted(code), profile, depth, (test) => test.bare(code));
  }
  if (answer === "unknown") leaveOpen(run, binding, [{ code }], depth);
}

const FORMAT_NAMES: ReadonlySet<string> = new Set(["xml", "json", "ttl"]);

/** https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.format: besides media types, these. */
function isFormatName(run: Run, code: string, depth: number): boolean {
  return FORMAT_NAMES.has(code) && run.elements[depth]?.path === "CapabilityStatement.format";
}

function checkCoding(
  run: Run,
  binding: Binding,
  value: Record<string, unknown>,
  profile: string | undefined,
  depth: number,
): void {
  const coding = readCoding(value);
  const { system, code } = coding;
  // A quantity without a coded unit has no code to judge.
  if (code === undefined) {
    if (system !== undefined && binding.strength === "required")
      refuse(run, binding, NO_CODE, profile, depth, () => "out");
    return;
  }
  const answer = binding.test.coding(system, code);
  if (answer === "out")
    refuse(run, binding, nameOf(coding), profile, depth, (test) => test.coding(system, code));
  else if (answer === "unknown") leaveOpen(run, binding, [coding], depth);
}

function checkConcept(
  run: Run,
  binding: Binding,
  value: Record<string, unknown>,
  profile: string | undefined,
  depth: number,
): void {
  const codings = listAt(value, "coding");
  let answer: Membership = "out";
  for (const item of codings) {
    if (!isObject(item) || typeof item["code"] !== "string") continue;
    const system = item["system"];
    const found = binding.test.coding(typeof system === "string" ? system : undefined, item["code"]);
    if (found === "in") return;
    if (found === "unknown") answer = found;
  }
  const read = codings.map(readCoding);
  if (answer === "unknown") {
    if (read.length === 1) {
      leaveOpen(run, binding, read, depth);
      return;
    }
    leaveOpen(
      run,
      binding,
      read.filter(
        ({ system, code }) => code !== undefined && binding.test.coding(system, code) === "unknown",
      ),
      depth,
    );
    return;
  }
  const names = read.map(nameOf).join(", ");
  refuse(run, binding, codings.length === 0 ? NO_CODE : names, profile, depth, (test) =>
    membershipOf(test, read),
  );
}

function membershipOf(test: CodeTest, codings: readonly ConceptCoding[]): Membership {
  let answer: Membership = "out";
  for (const { system, code } of codings) {
    if (code === undefined) continue;
    const found = test.coding(system, code);
    if (found === "in") return found;
    if (found === "unknown") answer = found;
  }
  return answer;
}

const NO_CODE = "none";

/** The code is certainly not of the value set: what that means depends on the strength. */
function refuse(
  run: Run,
  binding: Binding,
  codes: string,
  profile: string | undefined,
  depth: number,
  askMaximum: (test: CodeTest) => Membership,
): void {
  const { strength, maximum, test } = binding;
  if (strength === "required") {
    report(run, depth, {
      severity: "error",
      code: "code-invalid",
      rule: "binding-required",
      details: { valueSet: test.valueSet, codes },
      profile,
    });
    return;
  }
  // The largest value set makes an extensible binding a required one. A preferred binding asks for no code at all: a
  // code beyond its largest value set is worth a warning, as no HL7 validator refuses it.
  const isBounded = strength === "extensible" || codes !== NO_CODE;
  if (maximum !== undefined && isBounded && askMaximum(maximum) === "out") {
    report(run, depth, {
      severity: strength === "extensible" ? "error" : "warning",
      code: "code-invalid",
      rule: "binding-maximum",
      details: { valueSet: maximum.valueSet, codes },
      profile,
    });
    return;
  }
  if (strength !== "extensible") return;
  report(run, depth, {
    severity: "warning",
    code: "code-invalid",
    rule: "binding-extensible",
    details: { valueSet: test.valueSet, codes },
    profile,
  });
}

function leaveOpen(run: Run, binding: Binding, codings: readonly ConceptCoding[], depth: number): void {
  const { strength, test } = binding;
  if (run.muted > 0 || (strength !== "required" && strength !== "extensible")) return;
  for (const coding of codings) {
    const { code } = coding;
    if (code !== undefined)
      recordNotVerified(run, depth, { valueSet: test.valueSet, strength, ...coding, code });
  }
}

function nameOf({ system, code }: ConceptCoding): string {
  return quoted(`${system ?? "(no system)"}#${code ?? "(no code)"}`);
}
