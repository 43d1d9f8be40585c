/** The profiles a resource is judged by: claimed, asked for, or the guide's. */
import type { Judge } from "./judge.ts";
import type { JsonObject } from "./json.ts";
import type { StructureFacts } from "./pack/format.ts";
import { claimedProfiles } from "./profiles.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import type { TypeShape } from "./shapes.ts";
import { vitalSignProfile } from "./vital-signs.ts";
import type { Standing } from "./walk.ts";
import { quoted } from "./wording.ts";

/** Judges a resource by all profiles that apply to it. */
export function applyProfiles(
  judge: Judge,
  run: Run,
  value: JsonObject,
  shape: TypeShape,
  depth: number,
  standing: Standing,
): void {
  const applied = new Set<StructureFacts>();
  const apply = (structure: StructureFacts): void => {
    if (applied.has(structure)) return;
    applied.add(structure);
    judge.applyStructure(run, structure, value, depth);
  };
  let claimsGuide = false;
  for (const [at, canonical] of claimedProfiles(value)) {
    run.segments[depth + 1] = "meta";
    run.indexes[depth + 1] = -1;
    run.segments[depth + 2] = "profile";
    run.indexes[depth + 2] = at;
    const structure = look(judge, run, canonical, shape, depth + 2, "warning");
    if (structure === undefined) continue;
    if (standing === "root") run.profiles.add(canonical);
    if (structure.derivation === "constraint") claimsGuide = true;
    apply(structure);
  }
  if (standing === "root") {
    for (const canonical of run.requestedProfiles) {
      const structure = look(judge, run, canonical, shape, depth, "error");
      if (structure === undefined) continue;
      run.profiles.add(canonical);
      apply(structure);
    }
  }
  const assume = (structure: StructureFacts): void => {
    if (standing === "root") {
      run.profiles.add(structure.url);
      run.assumedProfiles.add(structure.url);
    }
    apply(structure);
  };
  if (run.guideProfiles && !claimsGuide && standing !== "contained") {
    for (const structure of judge.chooser.choose(value, shape.name)) assume(structure);
  }
  if (shape.name !== "Observation") return;
  const vitalSign = vitalSignProfile(value);
  if (vitalSign === undefined || isVitalSignAlready(judge, vitalSign, applied)) return;
  const structure = judge.definitions.structure(vitalSign);
  if (structure !== undefined) assume(structure);
}

const LONGEST_LINEAGE = 20;
const CORE = "http://hl7.org/fhir/StructureDefinition/";
const VITAL_SIGNS = `${CORE}vitalsigns`;

/**
 * Whether one of the profiles is the vital sign's, or a guide's own profile of vital signs, which builds on R4's and
 * mends it: R4's unit for every component, say, suits no flow rate.
 */
function isVitalSignAlready(judge: Judge, vitalSign: string, profiles: ReadonlySet<StructureFacts>): boolean {
  for (const profile of profiles) {
    const isOfGuide = !profile.url.startsWith(CORE);
    let current: StructureFacts | undefined = profile;
    for (let steps = 0; current !== undefined && steps < LONGEST_LINEAGE; steps++) {
      if (current.url === vitalSign || (isOfGuide && current.url === VITAL_SIGNS)) return true;
      current = current.base === undefined ? undefined : judge.definitions.structure(current.base);
    }
  }
  return false;
}

function look(
  judge: Judge,
  run: Run,
  canonical: string,
  shape: TypeShape,
  depth: number,
  severityOfUnknown: "warning" | "error",
): StructureFacts | undefined {
  const bar = canonical.indexOf("|");
  const url = bar < 0 ? canonical : canonical.slice(0, bar);
  const structure = judge.definitions.structure(canonical) ?? judge.definitions.structure(url);
  if (structure === undefined) {
    report(run, depth, {
      severity: severityOfUnknown,
      code: "structure",
      rule: "profile-unknown",
      details: { canonical: quoted(canonical) },
    });
    return undefined;
  }
  const version = bar < 0 ? undefined : canonical.slice(bar + 1);
  if (version !== undefined && structure.version !== undefined && version !== structure.version) {
    report(run, depth, {
      severity: "warning",
      code: "structure",
      rule: "profile-version",
      details: { canonical: quoted(canonical), version: structure.version },
    });
  }
  if (structure.type !== shape.name && !shape.lineage.includes(structure.type)) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "profile-wrong-type",
      details: { canonical: quoted(canonical), type: structure.type, actual: shape.name },
      profile: structure.url,
    });
    return undefined;
  }
  return structure;
}
