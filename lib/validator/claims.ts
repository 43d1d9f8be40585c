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
  if (claimsGuide) return;
  for (const structure of assumedProfiles(judge, run, value, shape, standing)) {
    if (standing === "root") {
      run.profiles.add(structure.url);
      run.assumedProfiles.add(structure.url);
    }
    apply(structure);
  }
}

/** What a resource that claims no profile is judged by: the guide's where that was asked for, else R4's for vital signs. */
function assumedProfiles(
  judge: Judge,
  run: Run,
  value: JsonObject,
  shape: TypeShape,
  standing: Standing,
): readonly StructureFacts[] {
  if (run.guideProfiles && standing !== "contained") {
    const chosen = judge.chooser.choose(value, shape.name);
    if (chosen.length > 0) return chosen;
  }
  const vitalSign = shape.name === "Observation" ? vitalSignProfile(value) : undefined;
  const implied = vitalSign === undefined ? undefined : judge.definitions.structure(vitalSign);
  return implied === undefined ? NONE : [implied];
}

const NONE: readonly StructureFacts[] = [];

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
